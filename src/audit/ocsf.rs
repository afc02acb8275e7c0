//! The audit line: OCSF Data Security Finding (2006) for incidents, API Activity (6003) for administrative changes.
//!
//! Field names, numbers and required attributes are those of the Open Cybersecurity Schema Framework 1.4
//! (<https://schema.ocsf.io/1.4.0/classes/data_security_finding>). No raw value, and no whole client address.

use serde_json::{Value, json};

use super::change::{Change, Operation};
use super::incident::{Report, Stage};
use crate::engine::time::Now;

/// The version of the schema that the lines follow.
const SCHEMA: &str = "1.4.0";

/// One line, with its newline.
pub(super) fn line(record: &Value) -> Vec<u8> {
    let mut line = record.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The finding that reports an incident.
pub(super) fn finding(report: &Report) -> Value {
    let incident = &report.incident;
    let key = incident.key.map_or_else(|| "rest".to_owned(), |key| key.to_string());
    let dimension = incident.dimension.name();
    let severity = severity(incident.action, incident.enforced);
    let (status_id, status) = if report.stage == Stage::Close {
        (4, "Resolved")
    } else {
        (1, "New")
    };
    let mut event = base(
        2,
        "Findings",
        6,
        "Data Security Finding",
        report.stage as u32,
        report.time,
    );
    add(
        &mut event,
        json!({
            "activity_name": stage_name(report.stage),
            "severity_id": severity.0,
            "severity": severity.1,
            "status_id": status_id,
            "status": status,
            "is_alert": report.stage != Stage::Close,
            "start_time": incident.first.millis(),
            "end_time": incident.last.millis(),
            "count": incident.sightings,
            "message": format!("budget {} of {} {}, {dimension} was given {}", incident.budget, incident.limit, incident.unit, incident.people),
            "finding_info": {
                "uid": format!("{key}-{}-{}", incident.budget, incident.first.millis()),
                "title": format!("Budget {} reached", incident.budget),
                "types": ["Data Loss Prevention", incident.action],
                "created_time": incident.first.millis(),
                "first_seen_time": incident.first.millis(),
                "last_seen_time": incident.last.millis(),
            },
            "actor": { "session": { "uid": key }, "app_name": dimension },
            "src_endpoint": { "name": incident.network.to_string() },
            "data_security": {
                "category_id": 1,
                "category": "Personal",
                "data_lifecycle_state_id": 2,
                "data_lifecycle_state": "Data in-transit",
                "detection_system_id": 2,
                "detection_system": "DLP Gateway",
                "pattern_match": incident.classes.join(","),
                "policy": { "name": incident.budget },
            },
            "unmapped": {
                "key": key,
                "dimension": dimension,
                "counted": incident.unit,
                "people": incident.people,
                "limit": incident.limit,
                "window_s": incident.window_s,
                "budget": incident.budget,
                "routes": incident.routes.as_slice(),
                "action": incident.action,
                "mode": if incident.enforced { "enforce" } else { "monitor" },
            },
        }),
    );
    event
}

/// The activity that reports a change.
pub(super) fn activity(change: &Change, now: Now) -> Value {
    let (activity_id, activity_name) = match change.operation {
        Operation::Hold | Operation::Revoke | Operation::Bypass | Operation::Mint => (1, "Create"),
        Operation::Drain | Operation::Reload | Operation::AcceptClock | Operation::Recertify => (3, "Update"),
        Operation::Release | Operation::Reinstate | Operation::BypassEnd => (4, "Delete"),
    };
    let (status_id, status) = if change.succeeded {
        (1, "Success")
    } else {
        (2, "Failure")
    };
    let endpoint = change
        .network
        .map_or_else(|| "process".to_owned(), |network| network.to_string());
    let kind = if change.operation == Operation::Mint {
        "host"
    } else {
        "key"
    };
    let resources: Vec<Value> = change
        .target
        .iter()
        .map(|target| json!({ "uid": target, "type": kind }))
        .collect();
    let mut event = base(6, "Application Activity", 3, "API Activity", activity_id, now);
    add(
        &mut event,
        json!({
            "activity_name": activity_name,
            "severity_id": 1,
            "severity": "Informational",
            "status_id": status_id,
            "status": status,
            "message": change.reason,
            "actor": { "user": { "name": change.who, "type": change.role } },
            "api": { "operation": change.operation.name(), "service": { "name": "Tidegate admin" } },
            "src_endpoint": { "name": endpoint },
            "resources": resources,
            "unmapped": { "reason": change.reason, "role": change.role, "until": change.until, "people": change.people },
        }),
    );
    event
}

/// What every event has. `class` is the number of the class inside its category.
fn base(category: u32, category_name: &str, class: u32, class_name: &str, activity: u32, now: Now) -> Value {
    let class_uid = category * 1000 + class;
    json!({
        "category_uid": category,
        "category_name": category_name,
        "class_uid": class_uid,
        "class_name": class_name,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "time": now.millis(),
        "metadata": {
            "version": SCHEMA,
            "product": { "name": "Tidegate", "vendor_name": "Tidegate", "version": env!("CARGO_PKG_VERSION") },
        },
    })
}

fn add(event: &mut Value, fields: Value) {
    if let (Value::Object(event), Value::Object(fields)) = (event, fields) {
        event.extend(fields);
    }
}

const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Create => "Create",
        Stage::Update => "Update",
        Stage::Close => "Close",
    }
}

/// An incident that a person should look at first is one that was acted on.
fn severity(action: &str, enforced: bool) -> (u32, &'static str) {
    match (enforced, action) {
        (false, _) => (2, "Low"),
        (true, "alert") => (3, "Medium"),
        (true, _) => (4, "High"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::incident::Incidents;
    use super::super::incident::tests::sighting;
    use super::*;

    /// Required attributes of the base event, of the finding and of its objects, by JSON pointer, with their type.
    const FINDING: &[(&str, &str)] = &[
        ("/activity_id", "number"),
        ("/category_uid", "number"),
        ("/class_uid", "number"),
        ("/type_uid", "number"),
        ("/severity_id", "number"),
        ("/time", "number"),
        ("/metadata/version", "string"),
        ("/metadata/product/name", "string"),
        ("/metadata/product/vendor_name", "string"),
        ("/finding_info/uid", "string"),
        ("/finding_info/title", "string"),
        ("/data_security/detection_system_id", "number"),
        ("/data_security/data_lifecycle_state_id", "number"),
        ("/actor/session/uid", "string"),
        ("/src_endpoint/name", "string"),
    ];

    /// The same for API Activity.
    const ACTIVITY: &[(&str, &str)] = &[
        ("/activity_id", "number"),
        ("/category_uid", "number"),
        ("/class_uid", "number"),
        ("/type_uid", "number"),
        ("/severity_id", "number"),
        ("/time", "number"),
        ("/metadata/version", "string"),
        ("/metadata/product/name", "string"),
        ("/actor/user/name", "string"),
        ("/api/operation", "string"),
        ("/src_endpoint/name", "string"),
    ];

    fn check(event: &Value, table: &[(&str, &str)]) {
        for (pointer, kind) in table {
            let value = event
                .pointer(pointer)
                .unwrap_or_else(|| panic!("no {pointer} in {event}"));
            assert!(
                if *kind == "number" {
                    value.is_u64()
                } else {
                    value.is_string()
                },
                "{pointer} is {value}"
            );
        }
        let number = |name: &str| event[name].as_u64().expect("a number");
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
        assert_eq!(number("class_uid") / 1000, number("category_uid"));
        assert!(number("time") > 1_000_000_000_000, "milliseconds");
    }

    fn change() -> Change {
        Change {
            operation: Operation::Release,
            succeeded: true,
            who: "kim".into(),
            role: "releaser",
            reason: "recall of lot 7".into(),
            target: Some("00ff".into()),
            until: 1_700_003_600,
            people: 400,
            network: Some("192.0.2.0/24".parse().expect("a network")),
        }
    }

    #[test]
    fn a_finding_has_what_the_schema_requires() {
        let now = Now::from_millis(1_700_000_000_000);
        let mut incidents = Incidents::new(&Settings::default());
        let create = incidents.record(&sighting(0xab), now).expect("the first");
        let event = finding(&create);
        check(&event, FINDING);
        assert_eq!(
            (&event["class_uid"], &event["type_uid"]),
            (&json!(2006), &json!(200_601))
        );
        assert_eq!(event["actor"]["session"]["uid"], "ab".repeat(12));
        assert_eq!(event["data_security"]["pattern_match"], "email,phone-kr");
        assert_eq!(event["unmapped"]["limit"], 100);
        let close = incidents.tick(now.after(4_000_000)).pop().expect("it is closed");
        let closed = finding(&close);
        check(&closed, FINDING);
        assert_eq!(closed["type_uid"], 200_603);
        assert_eq!(
            closed["finding_info"]["uid"], event["finding_info"]["uid"],
            "one incident, one uid"
        );
    }

    #[test]
    fn a_change_has_what_the_schema_requires() {
        let event = activity(&change(), Now::from_millis(1_700_000_000_000));
        check(&event, ACTIVITY);
        assert_eq!(
            (&event["class_uid"], &event["type_uid"]),
            (&json!(6003), &json!(600_304))
        );
        assert_eq!(event["unmapped"]["reason"], "recall of lot 7");
    }

    #[test]
    fn a_line_is_one_line_whatever_a_reason_says() {
        let change = Change {
            reason: "two\nlines \"quoted\" \u{2028}".into(),
            ..change()
        };
        let line = line(&activity(&change, Now::from_millis(1_700_000_000_000)));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert!(line.ends_with(b"}\n"));
    }
}
