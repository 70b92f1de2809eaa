//! Settings against Azure's rules, before anything is sent: names become paths, and a wrong number costs a failed run.

use uuid::Uuid;

use super::names::{Ingestion, PrivateLink, Settings, TablePlan, TableSettings};
use crate::{failure::Failure, provision::Kind};

/// Documented limit of a transformation.
const LONGEST_TRANSFORM: usize = 15_360;
/// Why evidence is not for tables of the plan Auxiliary: it carries its own times, as precise as they were, and a request holds what was
/// collected together, not what happened together
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/create-custom-table-auxiliary>).
pub(super) const AUXILIARY_REFUSES: &str = "tables of that plan take only times with exactly six decimals, and only requests \
     whose rows lie within 30 minutes; evidence is neither";
/// Years for which a table's rows can be kept beyond two, in days.
const LONG_RETENTIONS: [i32; 10] = [1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383];

impl Settings {
    /// Checks every setting against Azure's rules
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
    ///
    /// # Errors
    /// The first one that Azure would refuse, with the rule.
    pub fn check(&self) -> Result<(), Failure> {
        if Uuid::try_parse(&self.subscription).is_err() {
            return Err(refuse("--subscription", &self.subscription, "give the subscription's id, a GUID"));
        }
        let group = &self.resource_group;
        if !(1..=90).contains(&group.len()) || group.ends_with('.') || !consists_of(group, "-_.()") {
            let rule = "1 to 90 letters, digits, `-`, `_`, `.`, `(` and `)`, not ending in `.`";
            return Err(refuse("--resource-group", group, rule));
        }
        plain_name("--workspace-name", &self.workspace, 4, 63)?;
        plain_name("--dce-name", &self.endpoint, 3, 44)?;
        self.check_given()?;
        check_tables(&self.tables)?;
        for (table, query) in &self.transforms {
            check_transform(table, query)?;
        }
        if let Some(link) = &self.private_link {
            self.check_private_link(link)?;
        }
        match &self.publisher {
            Some(principal) if Uuid::try_parse(&principal.id).is_err() => {
                Err(refuse("--principal-id", &principal.id, "give the principal's object id, a GUID"))
            }
            _ => Ok(()),
        }
    }

    fn check_given(&self) -> Result<(), Failure> {
        let ids = [("--workspace-id", &self.given.workspace), ("--dce-id", &self.given.endpoint)];
        let ids = ids.into_iter().filter_map(|(flag, id)| Some((flag, id.as_ref()?)));
        for (flag, id) in ids.chain(self.given.rules.values().map(|id| ("--dcr", id))) {
            let kind = match flag {
                "--workspace-id" => Kind::Workspace,
                "--dce-id" => Kind::Endpoint,
                _ => Kind::Rule,
            };
            if !is_id_of(id, kind) {
                let group = "/subscriptions/GUID/resourceGroups/NAME/providers";
                return Err(refuse(flag, id, &format!("give its full id: {group}/{}/NAME", kind.resource_type())));
            }
        }
        Ok(())
    }

    fn check_private_link(&self, link: &PrivateLink) -> Result<(), Failure> {
        plain_name("--private-link-scope", &link.scope, 3, 64)?;
        if self.ingestion == Ingestion::Direct {
            return Err(Failure::usage(
                "the endpoint of a rule of kind Direct cannot be reached over private link",
                "leave --endpoint direct out, or --private-link",
            ));
        }
        match &link.subnet {
            Some(subnet) if link.network().is_none() || !is_safe(subnet) => Err(refuse(
                "--subnet-id",
                subnet,
                "give its full id: /subscriptions/…/providers/Microsoft.Network/virtualNetworks/NAME/subnets/NAME",
            )),
            _ => Ok(()),
        }
    }
}

/// <https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure>
fn check_tables(tables: &TableSettings) -> Result<(), Failure> {
    if tables.plan == Some(TablePlan::Auxiliary) {
        return Err(Failure::usage(
            format!("--table-plan auxiliary cannot be had: {AUXILIARY_REFUSES}"),
            "choose basic, which is cheaper than analytics, too; --total-retention keeps rows for up to 12 years",
        ));
    }
    let fixed = tables.plan == Some(TablePlan::Basic);
    if let (true, Some(days)) = (fixed, tables.retention) {
        let rule = "tables of the plan basic have a fixed one: leave it out, or give --total-retention";
        return Err(refuse_days("--retention", days, rule));
    }
    if let Some(days) = tables.retention.filter(|days| *days != -1 && !(4..=730).contains(days)) {
        return Err(refuse_days("--retention", days, "4 to 730 days, or -1 for the workspace's setting"));
    }
    let Some(total) = tables.total_retention.filter(|days| *days != -1) else { return Ok(()) };
    if !(4..=730).contains(&total) && !LONG_RETENTIONS.contains(&total) {
        let years: Vec<_> = LONG_RETENTIONS.iter().map(ToString::to_string).collect();
        let rule = format!("4 to 730 days, or {}, or -1 for no longer than --retention", years.join(", "));
        return Err(refuse_days("--total-retention", total, &rule));
    }
    let least = if fixed { 30 } else { tables.retention.unwrap_or(-1) };
    if total < least {
        return Err(refuse_days("--total-retention", total, &format!("at least the {least} days of the retention")));
    }
    Ok(())
}

fn check_transform(table: &str, query: &str) -> Result<(), Failure> {
    let fix = |fix: &str| Failure::usage(format!("the transformation of {table} cannot be used"), fix.to_owned());
    match query.chars().count() {
        0 => Err(fix("the file holds no query; one that changes nothing is `source`")),
        1..=LONGEST_TRANSFORM => Ok(()),
        long => Err(fix(&format!("it has {long} characters; Azure takes {LONGEST_TRANSFORM}"))),
    }
}

/// 3 parts of an id before its provider, and nothing in it that could lead elsewhere.
fn is_id_of(id: &str, kind: Kind) -> bool {
    let parts: Vec<&str> = id.split('/').collect();
    let fixed = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    let subscription = parts.get(2).is_some_and(|part| Uuid::try_parse(part).is_ok());
    parts.len() == 9
        && fixed(0, "")
        && fixed(1, "subscriptions")
        && subscription
        && fixed(3, "resourceGroups")
        && is_safe(id)
        && Kind::of(id) == Some(kind)
}

fn is_safe(id: &str) -> bool {
    id.starts_with('/')
        && id.split('/').skip(1).all(|part| !part.is_empty() && !part.starts_with("..") && consists_of(part, "-_.()"))
}

/// Letters, digits and hyphens, no hyphen at either end.
fn plain_name(flag: &str, name: &str, least: usize, most: usize) -> Result<(), Failure> {
    let edges = name.starts_with('-') || name.ends_with('-');
    if (least..=most).contains(&name.len()) && consists_of(name, "-") && !edges {
        return Ok(());
    }
    let rule = format!("{least} to {most} letters, digits and `-`, beginning and ending with a letter or digit");
    Err(refuse(flag, name, &rule))
}

fn consists_of(name: &str, others: &str) -> bool {
    name.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

fn refuse(flag: &str, name: &str, rule: &str) -> Failure {
    Failure::usage(format!("{flag} `{name}` is no valid name"), rule)
}

fn refuse_days(flag: &str, days: i32, rule: &str) -> Failure {
    Failure::usage(format!("{flag} {days} cannot be had"), rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::{Principal, names::tests::settings};

    fn refused(change: impl Fn(&mut Settings)) -> bool {
        let mut settings = settings();
        change(&mut settings);
        settings.check().is_err()
    }

    #[test]
    fn names_that_azure_refuses_are_refused_before_anything_is_sent() {
        settings().check().unwrap_or_else(|failure| panic!("{failure}"));
        let wrong: [fn(&mut Settings); 9] = [
            |settings| settings.subscription = "prod".into(),
            |settings| settings.resource_group = "..".into(),
            |settings| settings.resource_group = "a/b".into(),
            |settings| settings.workspace = "-abc".into(),
            |settings| settings.endpoint = "a?b".into(),
            |settings| settings.publisher = Some(Principal { id: "me".into(), kind: None }),
            |settings| settings.given.workspace = Some("forensys".into()),
            |settings| settings.given.endpoint = Some(settings.workspace_id()),
            |settings| settings.given.rules = [("a_CL".into(), format!("{}/../x", settings.rule_id("a")))].into(),
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            assert!(refused(change), "case {number}");
        }
        assert!(!refused(|settings| settings.given.workspace = Some(settings.workspace_id())));
    }

    #[test]
    fn retentions_are_those_that_azure_has() {
        let days = |plan: Option<TablePlan>, retention: Option<i32>, total_retention: Option<i32>| {
            !refused(|settings| settings.tables = TableSettings { plan, retention, total_retention })
        };
        assert!(days(None, Some(4), Some(4383)) && days(None, Some(730), None) && days(None, Some(-1), Some(-1)));
        assert!(days(Some(TablePlan::Basic), None, Some(365)));
        assert!(!days(None, Some(3), None) && !days(None, Some(731), None) && !days(None, None, Some(1000)));
        assert!(!days(Some(TablePlan::Basic), Some(30), None), "basic tables have a fixed retention");
        assert!(!days(Some(TablePlan::Basic), None, Some(29)), "less than what can be queried at once");
        assert!(!days(Some(TablePlan::Auxiliary), None, None), "its rules for times are not those of evidence");
        assert!(!days(None, Some(90), Some(60)));
    }

    #[test]
    fn a_transformation_has_the_length_that_azure_takes() {
        let of = |query: String| refused(|settings| settings.transforms = [("a_CL".into(), query.clone())].into());
        assert!(!of("source | extend a = 1".into()) && of(String::new()) && of("x".repeat(15_361)));
    }
}
