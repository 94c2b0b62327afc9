//! Documents of which the log has but the changes (`binlog_row_value_options=PARTIAL_JSON`): the feed shows the document
//! that the server has, or the changes where the log has no document, and a target gets what the source has.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::harness::{Flavor, Replicate, Server, Session, compare_tables};
use super::types::compact;
use super::workload::seed;

/// Long enough that a change is shorter than the document.
const DOCUMENT: &str = r#"{"id": 7, "nested": {"list": [1, 2.0, {"deep": [true, null, "x"]}, "four"], "k": "v"},
    "long": "0123456789012345678901234567890123456789012345678901234567890123456789", "n": -1.50, "a b": [], "quo\"te": 1,
    "ä": {"b": 1}, "z": {"y": {"x": {"w": [[1, 2], [3, 4]]}}}}"#;

/// Updates of column `j`, each on what the one before left.
const UPDATES: &[&str] = &[
    "JSON_SET(j, '$.nested.list[2].deep[1]', 'set', '$.nested.list[0]', CAST(1.10 AS DECIMAL(5,2)))",
    "JSON_REPLACE(j, '$.nested.k', CAST('{\"b\": [1, 2], \"aa\": null}' AS JSON))",
    "JSON_REMOVE(j, '$.nested.list[1]', '$.nested.k.b[0]')",
    "JSON_SET(j, '$.new', TIMESTAMP'2024-02-29 12:34:56.789', '$.nested.list[99]', x'00ff', '$.z.y.x.w[1][2]', 5)",
    "JSON_SET(j, '$.\"a b\"[0]', 1e100, '$.\"quo\\\\\"te\"', 'q\\'uo\\\\te\\n', '$.\"ä\".\"ö\"', TRUE)",
    "JSON_REMOVE(j, '$.z.y.x.w[last]', '$.z.y.x.w[0][last-1]')",
    "JSON_SET(j, '$.nested.list[last]', 'last', '$.id', CAST(18446744073709551615 AS UNSIGNED))",
    "JSON_SET(j, '$.n[0]', 'wrapped', '$.id[1]', 'made an array')",
    "JSON_SET(j, '$.long[0]', DATE'2024-01-01', '$.a', NULL, '$.b', -0e0, '$.bb', TIME'-1:02:03.4')",
    "JSON_REPLACE(j, '$.missing', 1)",
    "JSON_REMOVE(j, '$.\"a b\"', '$.\"ä\"', '$.new')",
    "JSON_SET(JSON_REMOVE(j, '$.a'), '$.nested', JSON_ARRAY(JSON_OBJECT('kk', 1, 'k', 2)))",
];

/// Makes the table and runs the updates; what the server has in `j` after each, as it prints it.
fn change(session: &mut Session, image: &str, random: &mut StdRng) -> Vec<String> {
    session.exec(&format!(
        "SET SESSION binlog_row_image = '{image}', binlog_row_value_options = 'PARTIAL_JSON'; CREATE DATABASE p; USE p; \
         CREATE TABLE t (id INT PRIMARY KEY, j JSON, i INT, other JSON, k JSON, nul JSON, b BLOB); \
         CREATE TABLE no_key (i INT, j JSON)"
    ));
    let document = DOCUMENT.replace('\\', "\\\\");
    let big = format!("JSON_SET('{document}', '$.big', REPEAT('x', 70000))");
    session.exec(&format!(
        "INSERT INTO t VALUES (1, '{document}', 1, '{document}', '{document}', NULL, 'b'), (2, {big}, 1, NULL, {big}, NULL, ''); \
         INSERT INTO no_key VALUES (1, '{document}'), (1, '{document}'), (2, '{document}')"
    ));
    let mut printed = Vec::new();
    let mut update = |session: &mut Session, expression: &str| {
        for id in 1..3 {
            session.exec(&format!("UPDATE t SET j = {expression}, i = i + 1 WHERE id = {id}"));
            let row = session.query(&format!("SELECT CAST(j AS CHAR) FROM t WHERE id = {id}")).remove(0);
            printed.push(row[0].clone().unwrap());
        }
    };
    UPDATES.iter().for_each(|expression| update(session, expression));
    for _ in 0..60 {
        let path = random_path(random);
        let value =
            ["1", "'text'", "CAST('[1, {\"a\": 2}]' AS JSON)", "CAST('{\"c\": [[]], \"a\": {}}' AS JSON)", "NULL"];
        let value = value[random.random_range(0..value.len())];
        let expression = match random.random_range(0..4) {
            0 => format!("JSON_REPLACE(j, '{path}', {value})"),
            1 if path != "$" => format!("JSON_REMOVE(j, '{path}')"),
            _ => format!("JSON_SET(j, '{path}', {value})"),
        };
        update(session, &expression);
        if random.random_range(0..8) == 0 {
            update(session, &format!("JSON_SET('{document}', '$.back', 1)"));
        }
    }
    session.exec(
        "UPDATE t SET other = JSON_SET(other, '$.nested.list[0]', 'o'), k = JSON_REMOVE(k, '$.nested', '$.n'); \
         UPDATE t SET nul = JSON_SET(nul, '$.a', 1), i = 0; UPDATE t SET b = 'c'; \
         UPDATE no_key SET j = JSON_SET(j, '$.nested.list[1]', 'two') WHERE i = 1 LIMIT 1; \
         UPDATE no_key SET j = JSON_SET(j, '$.nested.k', 'all'); DELETE FROM no_key WHERE i = 2; DELETE FROM t WHERE id = 2",
    );
    printed
}

fn random_path(random: &mut StdRng) -> String {
    let mut path = "$".to_owned();
    for _ in 0..random.random_range(1..5) {
        let leg = [".a", ".nested", ".list", ".c", "[0]", "[1]", "[last]", "[7]", ".z", ".y", ".\"a b\""];
        path.push_str(leg[random.random_range(0..leg.len())]);
    }
    path
}

/// How many row events of the log are partial ones.
fn partial_events(session: &mut Session) -> usize {
    let rows = session.query("SHOW BINLOG EVENTS");
    rows.iter().filter(|row| row[2].as_deref() == Some("Update_rows_partial")).count()
}

#[test]
fn the_feed_shows_documents_that_are_logged_as_changes() {
    let mut random = StdRng::seed_from_u64(seed());
    for image in ["FULL", "MINIMAL", "NOBLOB"] {
        let source = Server::start(Flavor::MySql, &["--binlog-row-metadata=FULL"]);
        let mut session = source.session();
        let printed = change(&mut session, image, &mut random);
        assert!(partial_events(&mut session) > 20, "{}", partial_events(&mut session));
        let log = source.data_dir().join("mysql-bin.000001");
        let end = Replicate::new().run(&["decode", &log.display().to_string()]);
        assert_eq!(end.code, 0, "{}", end.stderr);
        // Updates that change nothing are not logged.
        let mut documents = Vec::new();
        let mut last = [None, None];
        for (index, text) in printed.iter().enumerate() {
            documents.push((index % 2 + 1, last[index % 2] != Some(text), text));
            last[index % 2] = Some(text);
        }
        let mut documents = documents.into_iter();
        let mut operations = 0;
        for text in end.stdout.lines() {
            let line: Value = serde_json::from_str(text).unwrap();
            if line["table"] != "t" || line["type"] != "update" || line["data"]["i"] == 0 || line["data"]["b"] == "Yw=="
            {
                continue;
            }
            let Some((id, _, document)) = documents.next() else { break };
            assert_eq!(line["data"]["id"], id);
            let marked = &line["data"]["j"]["$json_diff"];
            if let Some(list) = marked.as_array() {
                assert_eq!(image, "MINIMAL");
                operations += list.len();
            } else if image != "MINIMAL" || line["data"].get("j").is_some() {
                assert!(text.contains(&format!(r#""j":{}"#, compact(document))), "{document}\n{text}");
            }
        }
        assert_eq!(documents.next(), None);
        // NOBLOB logs the documents before of those that change.
        assert_eq!(operations > 20, image == "MINIMAL", "{image} {operations}");
        let shown = r#""j":{"$json_diff":[{"op":"replace","path":"$.nested.list[2].deep[1]","value":"set"},{"op":"replace","path":"$.nested.list[0]","value":1.10}]}"#;
        assert_eq!(end.stdout.contains(shown), image == "MINIMAL");
    }
}

#[test]
fn a_target_gets_documents_that_are_logged_as_changes() {
    let mut random = StdRng::seed_from_u64(seed());
    for image in ["FULL", "MINIMAL"] {
        let (source, target) = (Server::start(Flavor::MySql, &[]), Server::start(Flavor::MySql, &["--server-id=2"]));
        let mut session = source.session();
        change(&mut session, image, &mut random);
        assert!(partial_events(&mut session) > 20);
        let mut args = Replicate::start_args(&source, &target);
        args.push("--until-caught-up".to_owned());
        let end = Replicate::new().run(&args);
        assert_eq!(end.code, 0, "{image}: {}", end.stderr);
        compare_tables(&source, &target, &["p"]).assert_same();
    }
}

#[test]
fn a_change_that_does_not_fit_the_targets_document_stops() {
    let (source, target) = (Server::start(Flavor::MySql, &[]), Server::start(Flavor::MySql, &["--server-id=2"]));
    let document = DOCUMENT.replace('\\', "\\\\");
    source.exec(&format!(
        "CREATE DATABASE p; CREATE TABLE p.t (id INT PRIMARY KEY, j JSON); INSERT INTO p.t VALUES (1, '{document}')"
    ));
    let mut args = Replicate::start_args(&source, &target);
    args.push("--until-caught-up".to_owned());
    let replicate = Replicate::new();
    assert_eq!(replicate.run(&args).code, 0);
    target.exec("UPDATE p.t SET j = JSON_REMOVE(j, '$.nested')");
    source.exec(
        "SET SESSION binlog_row_value_options = 'PARTIAL_JSON', binlog_row_image = 'MINIMAL'; \
         UPDATE p.t SET j = JSON_SET(j, '$.nested.k', 'new')",
    );
    let end = replicate.run(&args);
    assert_eq!(end.code, 1, "{}", end.stderr);
    assert!(end.stderr.contains("p.t"), "{}", end.stderr);
    assert_eq!(target.query_one("SELECT JSON_CONTAINS_PATH(j, 'one', '$.nested') FROM p.t"), "0");
}
