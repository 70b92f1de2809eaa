"""Uploads the rows of JSONL files with azure-monitor-ingestion, and prints what that cost as JSON.

Only the calls of the library are measured; the rows are parsed before.  sdk.py ENDPOINT CA_FILE FILE...
"""

import json
import resource
import sys
import time

from azure.core.credentials import AccessToken
from azure.monitor.ingestion import LogsIngestionClient


class Token:
    def get_token(self, *_, **__):
        return AccessToken("bench", int(time.time()) + 86399)


endpoint, ca_file, *paths = sys.argv[1:]
client = LogsIngestionClient(endpoint, Token(), connection_verify=ca_file)
wall = cpu = rows = 0
for path in paths:
    with open(path, "rb") as lines:
        logs = [json.loads(line) for line in lines]
    began = time.monotonic(), time.process_time()
    client.upload("dcr-bench", "Custom-kubelogs_CL", logs)
    wall += time.monotonic() - began[0]
    cpu += time.process_time() - began[1]
    rows += len(logs)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"rows": rows, "seconds": wall, "cpu": cpu, "peak": peak}))
