use replicate::position::LogPosition;
use replicate::secret::Secret;
use replicate::source::*;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() {
    let mut c = SourceConfig {
        server_id: 4242,
        replica_uuid: "11111111-2222-3333-4444-555555555555".into(),
        ..Default::default()
    };
    let (mut cmd, mut file, mut pos, mut out, mut secs) = (String::new(), String::new(), 4u64, String::new(), 5u64);
    for a in std::env::args().skip(1) {
        let (k, v) = a.split_once('=').unwrap();
        let v = v.to_string();
        match k {
            "host" => c.host = v,
            "port" => c.port = v.parse().unwrap(),
            "socket" => c.socket = Some(v.into()),
            "user" => c.user = v,
            "pass" => c.password = Secret::new(v),
            "mode" => c.tls.mode = v.parse().unwrap(),
            "ca" => c.tls.ca = Some(v.into()),
            "cert" => c.tls.cert = Some(v.into()),
            "key" => c.tls.key = Some(v.into()),
            "getkey" => c.get_public_key = true,
            "pinned" => c.public_key_path = Some(v.into()),
            "id" => c.server_id = v.parse().unwrap(),
            "uuid" => c.replica_uuid = v,
            "hb" => c.heartbeat_period = Duration::from_millis(v.parse().unwrap()),
            "cto" => c.connect_timeout = Duration::from_millis(v.parse().unwrap()),
            "rhost" => c.report_host = v,
            "rport" => c.report_port = v.parse().unwrap(),
            "cmd" => cmd = v,
            "file" => file = v,
            "pos" => pos = v.parse().unwrap(),
            "out" => out = v,
            "secs" => secs = v.parse().unwrap(),
            _ => panic!("{k}"),
        }
    }
    if let Err(e) = run(&c, &cmd, &file, pos, &out, secs).await {
        println!("ERR [{:?} #{}] {e}", e.disposition(), e.number());
    }
}

async fn run(c: &SourceConfig, cmd: &str, file: &str, pos: u64, out: &str, secs: u64) -> Result<(), SourceError> {
    let mut conn = Connection::connect(c).await?;
    println!("connected {conn:?}");
    match cmd {
        "login" => {}
        "sql" => println!("{:?}", conn.query(file).await?),
        "probe" => {
            println!("{:?}", probe(&mut conn).await?);
            println!("replicas {:?}", replicas(&mut conn).await?);
            println!("logs {:?}", binary_logs(&mut conn).await?);
            println!("end {:?}", end_of_log(&mut conn).await?);
        }
        "check" => {
            let at = LogPosition::new(file, pos);
            let t = Instant::now();
            println!("{at}: {:?} in {:?}", check_position(&mut conn, &at).await?, t.elapsed());
            println!("   {:?}", nearby_boundaries(&mut conn, &at).await?);
        }
        "dump" => {
            use std::io::Write;
            let info = probe(&mut conn).await?;
            let end = end_of_log(&mut conn).await?.unwrap();
            let mut d = DumpStream::start(conn, c, &info, &LogPosition::new(file, pos)).await?;
            let mut w = (!out.is_empty()).then(|| std::io::BufWriter::new(std::fs::File::create(out).unwrap()));
            let (mut n, mut bytes) = (0u64, 0u64);
            let mut cur = String::new();
            let t = Instant::now();
            loop {
                let ev = match tokio::time::timeout(Duration::from_secs(secs), d.next()).await {
                    Ok(r) => r?,
                    Err(_) => break,
                };
                n += 1;
                bytes += ev.len() as u64;
                let ty = ev[4];
                let log_pos = u32::from_le_bytes(ev[13..17].try_into().unwrap());
                if n < 6 {
                    println!(
                        "  type {ty} size {} log_pos {log_pos} flags {:x}",
                        ev.len(),
                        u16::from_le_bytes(ev[17..19].try_into().unwrap())
                    );
                }
                let rot = if ty == 4 { String::from_utf8_lossy(&ev[27..]).into_owned() } else { String::new() };
                let art = ev[17] & 0x20 != 0 || ty == 27 || ty == 41;
                if !art {
                    if let Some(w) = &mut w {
                        w.write_all(ev).unwrap();
                    }
                }
                if cur.starts_with(&*end.file) && u64::from(log_pos) >= end.pos && !art {
                    break;
                }
                if rot.len() > 0 {
                    cur = rot;
                    println!("  rotate {cur:?}");
                }
            }
            if let Some(mut w) = w {
                w.flush().unwrap();
            }
            let dt = t.elapsed();
            println!("{n} events, {bytes} bytes in {dt:?}: {:.0} MB/s", bytes as f64 / dt.as_secs_f64() / 1e6);
        }
        "watch" => {
            let info = probe(&mut conn).await?;
            let mut d = DumpStream::start(conn, c, &info, &LogPosition::new(file, pos)).await?;
            let t = Instant::now();
            while t.elapsed() < Duration::from_secs(secs) {
                if let Ok(r) = tokio::time::timeout(Duration::from_secs(1), d.next()).await {
                    let ev = r?;
                    println!("{:?} type {} size {}", t.elapsed(), ev[4], ev.len());
                }
            }
        }
        _ => panic!(),
    }
    Ok(())
}
