"""Microsoft's own packages read what kubectl-forensys provisioned, resource by resource and value by value.

Reads the variables of the served Azure's env file, and FORENSYS_PLAN: a JSON list of {kind, id, version, body}, the bodies being
those that were sent. Every value in a body has to be in what the package's model of the resource says. Prints one JSON object:
how many resources and values were compared, by package.
"""

import json
import os
from collections import Counter

from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

BASE = os.environ["AZURE_AUTHORITY_HOST"]
SUBSCRIPTION = os.environ["AZURE_SUBSCRIPTION_ID"]
TRUST = {"connection_verify": os.environ["FORENSYS_CA_FILE"]}
COMMON = {"base_url": BASE, "credential_scopes": ["https://management.azure.com/.default"], **TRUST}


class Reader:
    """Reads a resource of any kind with the package that is made for it, else as a generic resource."""

    def __init__(self):
        credential = ClientSecretCredential(
            os.environ["AZURE_TENANT_ID"],
            os.environ["AZURE_CLIENT_ID"],
            os.environ["AZURE_CLIENT_SECRET"],
            authority=BASE,
            disable_instance_discovery=True,
            **TRUST,
        )
        self.logs = LogAnalyticsManagementClient(credential, SUBSCRIPTION, **COMMON)
        self.monitor = MonitorManagementClient(credential, SUBSCRIPTION, **COMMON)
        self.roles = AuthorizationManagementClient(credential, SUBSCRIPTION, api_version="2022-04-01", **COMMON)
        self.resources = ResourceManagementClient(credential, SUBSCRIPTION, **COMMON)

    def read(self, step):
        """The package's name and its model of the resource."""
        kind, identity = step["kind"], step["id"]
        parts = identity.split("/")
        group, name = parts[4], parts[-1]
        if kind == "resource group":
            return "azure-mgmt-resource", self.resources.resource_groups.get(group)
        if kind == "workspace":
            return "azure-mgmt-loganalytics", self.logs.workspaces.get(group, name)
        if kind == "table":
            return "azure-mgmt-loganalytics", self.logs.tables.get(group, parts[8], name)
        if kind == "data collection endpoint":
            return "azure-mgmt-monitor", self.monitor.data_collection_endpoints.get(group, name)
        if kind == "data collection rule":
            return "azure-mgmt-monitor", self.monitor.data_collection_rules.get(group, name)
        if kind == "role assignment":
            return "azure-mgmt-authorization", self.roles.role_assignments.get_by_id(identity)
        return "azure-mgmt-resource", self.resources.resources.get_by_id(identity, api_version=step["version"])

    def listed(self, step):
        """The ids that the package lists of the step's kind, where it lists that kind."""
        kind, parts = step["kind"], step["id"].split("/")
        lists = {
            "resource group": lambda: self.resources.resource_groups.list(),
            "workspace": lambda: self.logs.workspaces.list_by_resource_group(parts[4]),
            "table": lambda: self.logs.tables.list_by_workspace(parts[4], parts[8]),
            "data collection endpoint": lambda: self.monitor.data_collection_endpoints.list_by_resource_group(parts[4]),
            "data collection rule": lambda: self.monitor.data_collection_rules.list_by_resource_group(parts[4]),
            "role assignment": lambda: self.roles.role_assignments.list_for_scope(
                step["id"].split("/providers/Microsoft.Authorization")[0]
            ),
        }
        return None if kind not in lists else [item.id.lower() for item in lists[kind]()]


def plain(model):
    """The model in the API's own names, what is read-only included."""
    if hasattr(model, "serialize"):
        return model.serialize(keep_readonly=True)
    return model.as_dict()


def same(ours, theirs):
    if isinstance(ours, str) and isinstance(theirs, str):
        # Azure compares ids, and types of columns, without regard to case.
        return ours.lower() == theirs.lower()
    return ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)


def compare(ours, theirs, path, wrong):
    """Notes every value of ours that is not in theirs; returns how many there are in ours."""
    if isinstance(ours, dict):
        theirs = theirs if isinstance(theirs, dict) else {}
        return sum(compare(value, theirs.get(name), f"{path}.{name}", wrong) for name, value in ours.items())
    if isinstance(ours, list):
        theirs = theirs if isinstance(theirs, list) else []
        if len(ours) != len(theirs):
            wrong.append(f"{path}: {len(ours)} of ours, {len(theirs)} of theirs")
        return sum(compare(one, other, f"{path}[{at}]", wrong) for at, (one, other) in enumerate(zip(ours, theirs)))
    if not same(ours, theirs):
        wrong.append(f"{path}: {ours!r} of ours, {theirs!r} of theirs")
    return 1


def main():
    reader, resources, values, wrong = Reader(), Counter(), Counter(), []
    with open(os.environ["FORENSYS_PLAN"], encoding="utf-8") as file:
        steps = json.load(file)
    for step in steps:
        package, model = reader.read(step)
        seen = plain(model)
        where = f"{package}: {step['id']}"
        if seen.get("id", "").lower() != step["id"].lower():
            wrong.append(f"{where} has the id {seen.get('id')}")
        listed = reader.listed(step)
        if listed is not None and step["id"].lower() not in listed:
            wrong.append(f"{where} is not listed")
        values[package] += compare(step["body"], seen, where, wrong)
        resources[package] += 1
    assert not wrong, "\n".join(wrong)
    print(json.dumps({"resources": resources, "values": values}))


if __name__ == "__main__":
    main()
