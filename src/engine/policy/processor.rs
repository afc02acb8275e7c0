//! Who is declared to process people's data for the organisation, and how much of it they are sent.

use std::sync::Arc;

use super::condition::DAY_S;
use super::destination::Destinations;
use super::plan::allowance;
use super::syntax::ProcessorSyntax;
use super::{Written, error, nearest};
use crate::engine::detect::{ClassSet, FieldNames};
use crate::engine::ledger::{Allowed, Dimension, KeyId, KeyUse};
use crate::engine::problem::Problem;
use crate::engine::secret::HashKey;

/// A processor as meant.
pub(super) struct Processor {
    name: String,
    people_per_day: u32,
    /// All that it is told of a person.
    pub(super) allowed: Allowed,
}

impl Processor {
    /// The key under which those alone count whom it is sent, whoever sends them.
    pub(super) fn allowance(&self, secret: &HashKey) -> KeyUse {
        let key = KeyId::new(
            secret,
            Dimension::Destination,
            self.name.as_bytes(),
            b"default/request//processor",
        );
        allowance(key, Dimension::Destination, self.people_per_day, DAY_S)
    }
}

/// Reads all that are declared, and makes their hosts known; what is wrong goes to `problems`.
pub(super) fn read(written: &Written<'_>, known: &mut Destinations, problems: &mut Vec<Problem>) -> Vec<Processor> {
    let mut processors: Vec<Processor> = Vec::new();
    for syntax in written.processors {
        let (name, number) = (syntax.name.get_ref(), processors.len());
        let mut wrong = |span, message, help| problems.push(error("P024", written.file, span, message, help));
        if processors.iter().any(|other| other.name == *name) {
            wrong(
                syntax.name.span(),
                format!("a second processor is named `{name}`"),
                None,
            );
        }
        if syntax.hosts.is_empty() {
            wrong(syntax.name.span(), format!("the processor `{name}` has no hosts"), None);
        }
        if *syntax.people_per_day.get_ref() == 0 {
            let message = "nobody may be sent to it: that is a rule of a listener".to_owned();
            wrong(
                syntax.people_per_day.span(),
                message,
                Some("action = \"refuse\"".to_owned()),
            );
        }
        for host in &syntax.hosts {
            if let Err(why) = known.declare(host.get_ref(), number) {
                let help = "hosts = [\"api.courier.example\"], which stands for all below it too";
                wrong(
                    host.span(),
                    format!("`{}` {why}", host.get_ref()),
                    Some(help.to_owned()),
                );
            }
        }
        let allowed = Allowed {
            classes: classes(syntax, written, problems),
            fields: fields(syntax, written, problems).map(Arc::new),
        };
        processors.push(Processor {
            name: name.clone(),
            people_per_day: *syntax.people_per_day.get_ref(),
            allowed,
        });
    }
    processors
}

/// The classes of what it is told; none where it may be told any.
fn classes(syntax: &ProcessorSyntax, written: &Written<'_>, problems: &mut Vec<Problem>) -> Option<ClassSet> {
    let mut classes = Vec::new();
    for class in &syntax.classes {
        let Some(rules) = written.rules else { continue };
        let found = rules.classes().find(|(_, name, _)| name == class.get_ref());
        if found.is_none() {
            let names: Vec<&str> = rules.classes().map(|(_, name, _)| name).collect();
            let message = format!("there is no class `{}`", class.get_ref());
            let help = nearest(class.get_ref(), &names);
            problems.push(error("P024", written.file, class.span(), message, help));
        }
        classes.extend(found.map(|(class, ..)| class));
    }
    (!syntax.classes.is_empty()).then(|| classes.into_iter().collect())
}

/// The fields under which that stands; none where any will do.
fn fields(syntax: &ProcessorSyntax, written: &Written<'_>, problems: &mut Vec<Problem>) -> Option<FieldNames> {
    let listed = syntax.fields.as_ref()?;
    let mut wrong = |span, message| {
        let help = "fields = [\"recipient.phone\", \"to\"]; without `fields` any will do";
        problems.push(error("P024", written.file, span, message, Some(help.to_owned())));
    };
    if listed.get_ref().is_empty() {
        wrong(listed.span(), "no field is listed".to_owned());
    }
    let mut fields = FieldNames::default();
    for field in listed.get_ref() {
        if let Err(why) = fields.add(field.get_ref()) {
            wrong(field.span(), format!("`{}` {why}", field.get_ref()));
        }
    }
    Some(fields)
}
