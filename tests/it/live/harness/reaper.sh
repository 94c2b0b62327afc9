# Ends what a test process leaves behind. It reads lines "+ kind name" (this exists) and "- kind name" (this
# is gone already) until the test process ends, in whatever way, and removes what is left.
declare -A left
while IFS=' ' read -r sign kind name; do
  case $sign in
    +) left["$kind $name"]=1 ;;
    -) unset "left[$kind $name]" ;;
  esac
done
each() { for item in "${!left[@]}"; do [ "${item%% *}" != "$1" ] || "${@:2}" "${item#* }"; done; }
each pid kill -9
each container docker rm -f -v
each volume docker volume rm -f
each network docker network rm
each dir rm -rf
