"""What the web page is told: tabs, rows, downloads, beside those of a locustfile."""

from __future__ import annotations

import csv
import json
from typing import Any

from geventws.adapters.locust.gauges import gauges_of
from tests.adapters.locust.dashboard.board import page


def keys(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["key"] for entry in entries]


def pings_of(client: Any) -> str:
    text = client.get("/websockets/csv").get_data(as_text=True)
    return str([*csv.DictReader(text.splitlines())][-1]["Ping Count"])


def arguments_of(client: Any, path: str = "/") -> dict[str, Any]:
    text = client.get(path).get_data(as_text=True)
    found: dict[str, Any] = json.loads(text.partition("window.templateArgs = ")[2].splitlines()[0])
    return found


def test_page_has_the_tabs_with_their_tables_and_downloads() -> None:
    with page() as (_, client):
        arguments_of(client)
        arguments = arguments_of(client)  # nothing is there twice
        assert keys(arguments["extended_tabs"]) == ["websockets", "websocket-closes"]
        assert keys(arguments["extended_tables"]) == ["websockets", "websocket-closes"]
        links = [entry["href"] for entry in arguments["extended_csv_files"]]
        assert links == ["./websockets/csv", "./websocket-closes/csv"]


def test_rows_have_a_value_for_each_column() -> None:
    with page() as (_, client):
        tables = {each["key"]: each for each in arguments_of(client)["extended_tables"]}
        client.get("/stats/requests")
        answer = client.get("/stats/requests").get_json()  # Locust kept the first one
        assert keys(answer["extended_stats"]) == ["websockets", "websocket-closes"]
        rows = answer["extended_stats"][0]["data"]
        assert [row["worker"] for row in rows] == ["local", "Aggregated"]
        columns = {column["key"] for column in tables["websockets"]["structure"]}
        assert all(columns <= row.keys() for row in rows)


def test_tabs_of_a_locustfile_stay() -> None:
    with page() as (environment, client):
        web_ui = environment.web_ui
        web_ui.template_args.update({"extended_tabs": [{"title": "Own", "key": "own"}]})

        @web_ui.app.after_request  # type: ignore[untyped-decorator]
        def add(response: Any) -> Any:
            if response.mimetype == "application/json":
                own = [{"key": "own", "data": []}]
                response.set_data(json.dumps({**response.get_json(), "extended_stats": own}))
            return response

        assert keys(arguments_of(client)["extended_tabs"])[0] == "own"
        answer = client.get("/stats/requests").get_json()
        assert keys(answer["extended_stats"]) == ["own", "websockets", "websocket-closes"]


def test_downloads_are_files() -> None:
    with page(web_base_path="/base") as (_, client):
        answer = client.get("/base/websockets/csv")
        assert answer.headers["Content-Disposition"] == "attachment;filename=websockets.csv"
        assert answer.mimetype == "text/csv"
        assert answer.get_data(as_text=True).startswith("Worker,State,Open,")
        answer = client.get("/base/websocket-closes/csv")
        assert answer.get_data(as_text=True).startswith("Close Code,Meaning,")
        assert len(arguments_of(client, "/base/")["extended_tabs"]) == 2


def test_report_that_is_downloaded_has_the_tables() -> None:
    with page() as (_, client):
        for path in ("/stats/report", "/stats/report?download=1&theme=dark"):
            text = client.get(path).get_data(as_text=True)
            assert text.count('<section id="websockets">') == 1


def test_other_answers_are_left_as_they_are() -> None:
    with page() as (_, client):
        assert client.get("/worker-count").get_json() == {"worker_count": 0}
        assert client.get("/missing").status_code == 404


def test_reset_button_begins_at_zero() -> None:
    with page() as (environment, client):
        gauges_of(environment).ponged(0.001)
        assert pings_of(client) == "1"
        assert client.post("/stats/reset").get_data(as_text=True) == "ok"
        assert pings_of(client) == "0"


def test_option_reset_stats_begins_at_zero_when_all_users_are_there() -> None:
    with page() as (environment, client):
        gauges_of(environment).ponged(0.001)
        environment.events.spawning_complete.fire(user_count=1)
        assert pings_of(client) == "1"
        environment.reset_stats = True
        environment.events.spawning_complete.fire(user_count=1)
        assert pings_of(client) == "0"


def test_next_test_begins_at_zero() -> None:
    with page() as (environment, client):
        gauges_of(environment).ponged(0.001)
        environment.events.test_start.fire(environment=environment)
        assert pings_of(client) == "0"
        assert gauges_of(environment).report().over is False
        environment.events.test_stop.fire(environment=environment)
        assert gauges_of(environment).report().over is True
