"""Microsoft's own packages talk to the in-process Azure: make everything, read it back, upload rows.

Reads AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_SUBSCRIPTION_ID,
FORENSYS_PRINCIPAL_OBJECT_ID and FORENSYS_CA_FILE, as the served Azure's env file sets them. Prints one JSON object at the end.
"""

import json
import os
import time
import uuid

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.monitor import MonitorManagementClient
from azure.monitor.ingestion import LogsIngestionClient

BASE = os.environ["AZURE_AUTHORITY_HOST"]
TENANT = os.environ["AZURE_TENANT_ID"]
CLIENT = os.environ["AZURE_CLIENT_ID"]
SUBSCRIPTION = os.environ["AZURE_SUBSCRIPTION_ID"]
TRUST = {"connection_verify": os.environ["FORENSYS_CA_FILE"]}
SCOPES = ["https://management.azure.com/.default"]
PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
GROUP, WORKSPACE, ENDPOINT, RULE, TABLE = "rg-official", "law-official", "dce-official", "dcr-official", "official_CL"
COLUMNS = [
    ("TimeGenerated", "datetime"),
    ("RecordId", "string"),
    ("message", "string"),
    ("number", "long"),
    ("flag", "boolean"),
]
PATIENCE = {"polling_interval": 0.05}


def credentials():
    """Each way to sign in that needs no person; the first is used afterwards."""
    trusted = {"authority": BASE, "disable_instance_discovery": True, **TRUST}
    with open(os.environ["FORENSYS_FEDERATED_TOKEN_FILE"], encoding="utf-8") as file:
        federated = file.read()
    return [
        ClientSecretCredential(TENANT, CLIENT, os.environ["AZURE_CLIENT_SECRET"], **trusted),
        CertificateCredential(TENANT, CLIENT, os.environ["FORENSYS_CLIENT_CERTIFICATE"], **trusted),
        ClientAssertionCredential(TENANT, CLIENT, lambda: federated, **trusted),
    ]


def call(client, method, path, body=None):
    """An ARM call for which there is no package here, through the pipeline of one that is."""
    request = HttpRequest(method, BASE + path, json=body)
    response = client._client.send_request(request)
    response.raise_for_status()
    return response


def make_workspace(logs):
    workspace = logs.workspaces.begin_create_or_update(
        GROUP,
        WORKSPACE,
        {"location": "westeurope", "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}},
        **PATIENCE,
    ).result()
    assert workspace.customer_id and workspace.provisioning_state == "Succeeded", workspace
    assert logs.workspaces.get(GROUP, WORKSPACE).customer_id == workspace.customer_id
    schema = {"name": TABLE, "columns": [{"name": name, "type": kind} for name, kind in COLUMNS]}
    table = logs.tables.begin_create_or_update(
        GROUP, WORKSPACE, TABLE, {"properties": {"schema": schema}}, **PATIENCE
    ).result()
    assert [column.name for column in table.schema.columns] == [name for name, _ in COLUMNS], table
    assert TABLE in [found.name for found in logs.tables.list_by_workspace(GROUP, WORKSPACE)]
    return workspace


def refuse_bad_table(logs):
    """The package has to understand the failure of an operation."""
    body = {"properties": {"schema": {"name": "bad_CL", "columns": [{"name": "text", "type": "string"}]}}}
    try:
        logs.tables.begin_create_or_update(GROUP, WORKSPACE, "bad_CL", body, **PATIENCE).result()
    except HttpResponseError as error:
        assert "TimeGenerated" in str(error), error
    else:
        raise AssertionError("a table without TimeGenerated was made")


def rule_body(workspace, endpoint):
    stream = f"Custom-{TABLE}"
    return {
        "location": "westeurope",
        "properties": {
            "dataCollectionEndpointId": endpoint.id,
            "streamDeclarations": {stream: {"columns": [{"name": name, "type": kind} for name, kind in COLUMNS]}},
            "destinations": {"logAnalytics": [{"name": "law", "workspaceResourceId": workspace.id}]},
            "dataFlows": [
                {"streams": [stream], "destinations": ["law"], "transformKql": "source", "outputStream": stream}
            ],
        },
    }


def make_rule(monitor, workspace):
    endpoint = monitor.data_collection_endpoints.create(
        GROUP, ENDPOINT, {"location": "westeurope", "properties": {"networkAcls": {"publicNetworkAccess": "Enabled"}}}
    )
    assert monitor.data_collection_endpoints.get(GROUP, ENDPOINT).logs_ingestion.endpoint == endpoint.logs_ingestion.endpoint
    wrong = rule_body(workspace, endpoint)
    wrong["properties"]["dataFlows"][0]["outputStream"] = "Custom-absent_CL"
    try:
        monitor.data_collection_rules.create(GROUP, RULE, wrong)
    except HttpResponseError as error:
        assert error.error.details[0].code == "InvalidOutputTable", error
    else:
        raise AssertionError("a rule without its table was made")
    rule = monitor.data_collection_rules.create(GROUP, RULE, rule_body(workspace, endpoint))
    assert monitor.data_collection_rules.get(GROUP, RULE).immutable_id == rule.immutable_id
    return endpoint, rule


def grant(monitor, scope):
    name = uuid.uuid5(uuid.NAMESPACE_URL, scope)
    role = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{PUBLISHER}"
    body = {
        "properties": {
            "roleDefinitionId": role,
            "principalId": os.environ["FORENSYS_PRINCIPAL_OBJECT_ID"],
            "principalType": "ServicePrincipal",
        }
    }
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
    call(monitor, "PUT", path, body)


def upload(credential, endpoint, rule):
    """More than one call's worth of rows."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = [
        {"TimeGenerated": now, "RecordId": f"{n:032x}", "message": "row " * 100, "number": n, "flag": n % 2 == 0}
        for n in range(5000)
    ]
    client = LogsIngestionClient(endpoint.logs_ingestion.endpoint, credential, **TRUST)
    client.upload(rule.immutable_id, f"Custom-{TABLE}", rows)
    try:
        client.upload("dcr-" + "0" * 32, f"Custom-{TABLE}", rows[:1])
    except ResourceNotFoundError:
        pass
    else:
        raise AssertionError("an unknown rule took rows")
    return len(rows)


def clean(logs, monitor):
    monitor.data_collection_rules.delete(GROUP, RULE)
    monitor.data_collection_endpoints.delete(GROUP, ENDPOINT)
    logs.tables.begin_delete(GROUP, WORKSPACE, TABLE, **PATIENCE).result()
    logs.workspaces.begin_delete(GROUP, WORKSPACE, **PATIENCE).result()
    assert [w.name for w in logs.deleted_workspaces.list_by_resource_group(GROUP)] == [WORKSPACE]
    call(monitor, "DELETE", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}?api-version=2021-04-01")


def main():
    ways = credentials()
    for way in ways:
        assert way.get_token(*SCOPES).token, way
    credential = ways[0]
    common = {"base_url": BASE, "credential_scopes": SCOPES, **TRUST}
    logs = LogAnalyticsManagementClient(credential, SUBSCRIPTION, **common)
    monitor = MonitorManagementClient(credential, SUBSCRIPTION, **common)
    call(monitor, "PUT", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}?api-version=2021-04-01", {"location": "westeurope"})
    call(monitor, "POST", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/register?api-version=2021-04-01")
    workspace = make_workspace(logs)
    refuse_bad_table(logs)
    endpoint, rule = make_rule(monitor, workspace)
    grant(monitor, rule.id)
    rows = upload(credential, endpoint, rule)
    clean(logs, monitor)
    print(json.dumps({"sign_ins": len(ways), "table": TABLE, "rows": rows}))


if __name__ == "__main__":
    main()
