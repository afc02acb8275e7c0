//! Revoking and reinstating over the admin address.

use serde_json::{Value, json};

use super::{HELD, NOW_S, start};

const REVOKE: &str = "POST /api/v1/revocations";

#[tokio::test]
async fn who_may_revoke_and_who_may_reinstate() {
    let running = start(true).await;
    let revoke = json!({ "what": "principal", "name": "shop:4711", "for": "90d", "reason": "left" });
    let reinstate = json!({ "reason": "came back" });
    let line = format!("POST /api/v1/revocations/{HELD}/reinstate");
    for (token, statuses) in [
        ("viewer", [200, 403, 403]),
        ("analyst", [200, 201, 403]),
        ("releaser", [200, 201, 200]),
    ] {
        assert_eq!(
            running.status(token, "GET /api/v1/revocations").await,
            statuses[0],
            "{token}"
        );
        assert_eq!(
            running.ask(token, REVOKE, Some(&revoke)).await.0,
            statuses[1],
            "{token}"
        );
        assert_eq!(
            running.ask(token, &line, Some(&reinstate)).await.0,
            statuses[2],
            "{token}"
        );
    }
    let until = NOW_S + 90 * 86_400;
    let revoked = [format!("revoke principal shop:4711 {until}"), "written".to_owned()];
    let reinstated = [format!("reinstate {HELD}"), "written".to_owned()];
    let asked = running.desk.asked.lock().expect("no panic").clone();
    assert_eq!(asked, [&revoked[..], &revoked, &reinstated].concat());
    let lines = running.audit_lines().await;
    let told: Vec<_> = lines.iter().map(|line| &line["api"]["operation"]).collect();
    assert_eq!(told, ["revoke", "revoke", "reinstate"]);
    let told = lines[0].to_string();
    assert!(
        told.contains(HELD) && told.contains("left") && !told.contains("4711"),
        "{told}"
    );
}

#[tokio::test]
async fn a_revocation_is_answered_with_its_key_and_whether_it_is_on_disk() {
    let running = start(true).await;
    let body = json!({ "what": "kid", "name": "shop:k1", "reason": "copied" });
    let (_, told) = running.ask("analyst", REVOKE, Some(&body)).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let mut expected =
        json!({ "key": HELD, "dimension": "principal", "since": NOW_S, "until": null, "cause": "manual" });
    let (_, list) = running.ask("viewer", "GET /api/v1/revocations?limit=5", None).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["revocations"], json!([expected]));
    expected["written"] = json!(true);
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_wrong_with_a_revocation_is_told_without_its_name() {
    let running = start(true).await;
    for (body, status) in [
        (json!({ "what": "shoe", "name": "shop:secret", "reason": "x" }), 400),
        (json!({ "what": "principal", "name": "shop:secret" }), 400),
        (
            json!({ "what": "principal", "name": "shop:secret", "for": "1w", "reason": "x" }),
            400,
        ),
        (
            json!({ "what": "principal", "name": "shop:secret", "until": NOW_S, "reason": "x" }),
            400,
        ),
        (
            json!({ "what": "principal", "name": "shop:secret", "for": "1h", "until": NOW_S + 9, "reason": "x" }),
            400,
        ),
        (
            json!({ "what": "principal", "name": "shop:secret", "force": true, "reason": "x" }),
            400,
        ),
    ] {
        let (told_status, told) = running.ask("policy", REVOKE, Some(&body)).await;
        assert_eq!(told_status, status, "{body}");
        assert!(!told.contains("secret"), "{told}");
    }
    assert!(running.desk.asked.lock().expect("no panic").is_empty());
    let body = json!({ "what": "principal", "name": "shpo:4711", "reason": "x" });
    let (status, told) = running.ask("policy", REVOKE, Some(&body)).await;
    assert!(
        status == 400 && told.contains("`name` is of none of `identity.issuer`"),
        "{told}"
    );
    let other = format!("POST /api/v1/revocations/{}/reinstate", "00".repeat(12));
    let (status, told) = running.ask("policy", &other, Some(&json!({ "reason": "x" }))).await;
    assert!(status == 409 && told.contains("identity.revoked"), "{told}");
}
