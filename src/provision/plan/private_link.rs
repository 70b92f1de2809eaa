//! The steps of private link: a scope that leads to workspace and endpoint, a private endpoint with its DNS zones in the
//! given subnet, and at the end no more access from public networks
//! (<https://learn.microsoft.com/azure/azure-monitor/logs/private-link-configure>).
//!
//! What is created here is closed to public networks from the start; what was there is closed last, when the private way
//! leads to it.

use serde_json::Value;

use super::{Action, Planner, Step};
use crate::provision::{bodies, kind::Kind, names::PrivateLink};

impl Planner<'_> {
    pub(super) fn private_link(&self, link: &PrivateLink) -> Vec<Step> {
        let settings = self.settings;
        let scope = settings.private_link_scope_id(link);
        let linked = [settings.workspace_id(), settings.endpoint_id()];
        let mut steps = vec![self.step(Kind::PrivateLinkScope, scope.clone(), bodies::private_link_scope())];
        let mut before = vec![scope];
        for (number, id) in linked.iter().enumerate() {
            let mut step = self.scoped_resource(link, id);
            // Azure refuses two changes of one scope at the same time, so each waits for the one before.
            step.after = [before.last().cloned(), linked.get(number).cloned()].into_iter().flatten().collect();
            before.push(step.id.clone());
            steps.push(step);
        }
        if link.subnet.is_some() {
            let mut network = self.network(link, &before);
            before.extend(network.last().map(|step| step.id.clone()));
            steps.append(&mut network);
        }
        steps.extend(linked.iter().filter_map(|id| self.public_access(id, &before)));
        steps
    }

    fn scoped_resource(&self, link: &PrivateLink, linked: &str) -> Step {
        let id = self.settings.scoped_resource_id(link, linked);
        let step = self.step(Kind::ScopedResource, id, bodies::scoped_resource(linked));
        let found = self.existing.get(&step.id).and_then(|found| found.pointer("/properties/linkedResourceId"));
        match found.and_then(Value::as_str) {
            Some(other) if !other.eq_ignore_ascii_case(linked) => {
                step.blocked(format!("it leads to {other}"), "choose another name with --private-link-scope")
            }
            _ => step,
        }
    }

    /// Zones and their links, then the endpoint, then the group that registers it in the zones.
    fn network(&self, link: &PrivateLink, before: &[String]) -> Vec<Step> {
        let settings = self.settings;
        let mut steps = Vec::new();
        for zone in &link.zones {
            let id = settings.dns_zone_id(zone);
            let mut linked = self.step(Kind::DnsLink, settings.dns_link_id(link, zone), bodies::dns_link(link));
            linked.after = vec![id.clone()];
            steps.push(self.step(Kind::DnsZone, id, bodies::dns_zone()));
            steps.push(linked);
        }
        let mut endpoint = self.step(
            Kind::PrivateEndpoint,
            settings.private_endpoint_id(link),
            bodies::private_endpoint(settings, link, self.location),
        );
        endpoint.after = before.to_vec();
        if link.zones.is_empty() {
            let why = "the names of Azure Monitor's private DNS zones in this cloud are not documented, and without them the \
                       private endpoint is not found";
            let fix = "leave --subnet-id out and see to private endpoint and DNS yourself, or name the zones in a cloud file \
                       (`private_dns_zones`) that you give with --cloud";
            return vec![endpoint.blocked(why, fix)];
        }
        let mut group =
            self.step(Kind::DnsZoneGroup, settings.dns_zone_group_id(link), bodies::dns_zone_group(settings, link));
        group.after = steps.iter().chain([&endpoint]).map(|step| step.id.clone()).collect();
        steps.extend([endpoint, group]);
        steps
    }

    /// The end of public access to what was there before; None for what is created without.
    fn public_access(&self, id: &str, before: &[String]) -> Option<Step> {
        let found = self.existing.get(id)?;
        let kind = Kind::of(id)?;
        let (body, partial, properties): (_, _, &[&str]) = match kind {
            Kind::Workspace => (
                bodies::workspace_without_public_access(),
                true,
                &["/properties/publicNetworkAccessForIngestion", "/properties/publicNetworkAccessForQuery"],
            ),
            _ => {
                (bodies::endpoint_without_public_access(found), false, &["/properties/networkAcls/publicNetworkAccess"])
            }
        };
        let open = properties.iter().any(|pointer| {
            let access = found.pointer(pointer).and_then(Value::as_str).unwrap_or("Enabled");
            access.eq_ignore_ascii_case("Enabled")
        });
        let why = "closes it to public networks".to_owned();
        let action = if open { Action::Update(why) } else { Action::Unchanged };
        let step = Step {
            kind: Kind::PublicAccess,
            table: None,
            id: id.to_owned(),
            version: kind.version(),
            action,
            body,
            partial,
            ours: self.recorded.owns(id),
            after: before.to_vec(),
        };
        Some(self.allowed(step))
    }
}
