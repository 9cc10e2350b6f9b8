"""calve as an Airflow 2 DAG: one cycle over every table of the configuration, every 15 minutes. Airflow's worker has calve and /etc/calve/calve.yaml."""

import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    dag_id="calve",
    schedule="*/15 * * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    catchup=False,  # one cycle takes everything up to now
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(minutes=1), "execution_timeout": datetime.timedelta(hours=1)},
) as dag:
    # The last line of stdout is the JSON object, and with it the XCom. Exit code 4 (some tables failed) fails the task like any other but 0.
    BashOperator(task_id="run", bash_command="calve run --config /etc/calve/calve.yaml --json --progress never", do_xcom_push=True)
