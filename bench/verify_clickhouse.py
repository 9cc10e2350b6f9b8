"""Reads an Iceberg table with ClickHouse and prints what it adds up to: for the tables of ClickHouse's own writer, whose
manifest lists carry no field ids, so that PyIceberg cannot read them.

  verify_clickhouse.py LOCATION
"""

import json
import os
import sys

import source


def main():
    location = os.path.join(os.path.abspath(sys.argv[1]), "")
    os.chdir("/")  # the engine reads Iceberg tables below its working directory only
    with source.Engine() as engine:
        print(json.dumps({"sums": source.one_row(engine, source.SUMS + f"icebergLocal('{location}')")}))


main()
