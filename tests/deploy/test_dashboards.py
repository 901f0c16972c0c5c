"""The dashboard and the alerts: every query runs on the report views, every metric is one that the service has."""

import json
import re

import pytest
import sqlalchemy
from ruamel.yaml import YAML
from sqlalchemy import text

from chat_hygiene.cli.verbs import VERBS, load
from chat_hygiene.store import grants
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.views import VIEWS
from deploy.stack import COMPOSE, ROOT, SERVICES
from support.golden import fill_golden
from support.promtool import promtool

FOLDER = ROOT / "dashboards"
DASHBOARD = json.loads((FOLDER / "chat-hygiene.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {
    f"{panel['title']} {target['refId']}": target["rawSql"]
    for panel in PANELS
    for target in panel["targets"]
    if "rawSql" in target
} | {each["name"]: each["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}
METRICS = {
    "chat_hygiene_jobs": {"state"},
    "chat_hygiene_deletions_total": {"policy", "outcome"},
    "chat_hygiene_runs_total": {"policy", "state"},
    "chat_hygiene_runs_open": {"policy", "state"},
    "chat_hygiene_run_overdue_seconds": {"policy"},
    "chat_hygiene_debt_chats": {"device"},
    "chat_hygiene_debt_age_seconds": {"device"},
    "chat_hygiene_overdue_chats": {"policy"},
    "chat_hygiene_sync_age_seconds": {"device"},
    "chat_hygiene_tick_age_seconds": set(),
    "chat_hygiene_stopped": set(),
}
"""The public contract: each metric with its labels."""


def loaded(name: str):
    return YAML(typ="safe", pure=True).load(FOLDER / name)


RULES = [rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]
EXPRESSIONS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
    if "expr" in target
} | {rule["alert"]: rule["expr"] for rule in RULES}


def expanded(sql: str) -> str:
    """What Grafana makes of it: its macro and its variable."""
    sql = re.sub(
        r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN '2026-04-10T00:00:00Z' AND '2026-05-10T00:00:00Z'", sql
    )
    return sql.replace("${policy:sqlstring}", "'resolved-30d','inactive-90d','it''s'").replace(
        "${chat:sqlstring}", "'chat_2'"
    )


@pytest.fixture(scope="module")
def database(postgres_databases):
    """A filled one, as the role that dashboards read with."""
    with postgres_databases.copy() as url:
        owner = create_engine(url)
        fill_golden(sessions(owner))
        connection = owner.raw_connection()
        connection.driver_connection.autocommit = True
        connection.cursor().execute(grants.reporting("report_of_dashboards"))
        connection.cursor().execute("ALTER ROLE report_of_dashboards PASSWORD 'x'")
        connection.close()
        engine = sqlalchemy.create_engine(owner.url.set(username="report_of_dashboards", password="x"))
        yield engine
        engine.dispose()
        with owner.begin() as connection:
            connection.execute(text("DROP OWNED BY report_of_dashboards; DROP ROLE report_of_dashboards"))
        owner.dispose()


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES.keys())
def test_a_query_runs_on_the_report_views_alone(database, sql):
    assert "$" not in expanded(sql), "something in it is not filled in"
    tables = set(re.findall(r"(?:FROM|JOIN) (\w+)", sql))
    assert tables <= {view.name for view in VIEWS}
    with database.connect() as connection:
        found = connection.exec_driver_sql(expanded(sql).replace("%", "%%")).all()
    assert found or "chat_ref = ${chat" in sql, (
        "it shows nothing of a ledger that has something for each panel"
    )


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_an_expression_uses_metrics_and_labels_that_are_promised(expression):
    used = set(re.findall(r"\b(chat_hygiene_\w+|up)\b", expression))
    assert used
    assert used - set(METRICS) <= {"up"}
    allowed = set.union(*(METRICS.get(name, {"job"}) for name in used))
    asked = set(re.findall(r"(\w+)=~?\"", expression))
    asked |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert asked <= allowed


def test_every_source_is_a_variable_and_provisioned():
    variables = {
        f"${{{each['name']}}}": each
        for each in DASHBOARD["templating"]["list"]
        if each["type"] == "datasource"
    }
    used = {panel["datasource"]["uid"] for panel in PANELS} | {
        target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]
    }
    assert used == set(variables)
    sources = {each["uid"]: each["type"] for each in loaded("grafana/datasources.yml")["datasources"]}
    assert {each["current"]["value"]: each["query"] for each in variables.values()} == sources


def test_panels_say_what_they_show_and_do_not_overlap():
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert [panel["title"] for panel in PANELS if not panel.get("description")] == []
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_an_alert_says_what_is_wrong_and_what_to_do():
    assert [rule["alert"] for rule in RULES if set(rule["annotations"]) != {"summary", "action"}] == []
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}
    assert {rule["alert"] for rule in RULES} == {
        f"ChatHygiene{name}"
        for name in (
            *("NotScraped", "TickSilent", "RunOverdue", "RunFailed", "Stopped", "SyncStale", "Overdue"),
            *("AwaitingApproval", "Debt", "FinalFailures"),
        )
    }


def test_every_alert_has_a_test_that_sees_it_fire_and_one_that_does_not():
    cases = [case for test in loaded("alerts_test.yml")["tests"] for case in test.get("alert_rule_test", ())]
    for fires in (True, False):
        seen = {case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires}
        assert seen == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_they_pass_their_tests(words):
    promtool(*words, cwd=FOLDER)


def test_every_command_that_is_named_is_there():
    named = re.findall(
        r"chat-hygiene ((?:[a-z-]+ ?)+)", " ".join(f"{rule['annotations']};" for rule in RULES)
    )
    assert named
    for words in named:
        first, *more = words.split()
        assert first in VERBS, f"chat-hygiene {words}: there is no {first}"
        command = load(first)
        for word in more:
            if not hasattr(command, "commands"):
                break  # what follows the verb
            assert word in command.commands, f"chat-hygiene {words}: there is no {word}"
            command = command.commands[word]
        assert not hasattr(command, "commands"), f"chat-hygiene {words} is no whole command"


def test_prometheus_scrapes_the_web_service_and_loads_the_alerts():
    config = loaded("prometheus.yml")
    [job] = config["scrape_configs"]
    port = SERVICES["web"]["environment"]["CHAT_HYGIENE_WEB_PORT"]
    assert job["static_configs"] == [{"targets": [f"web:{port}"]}]
    assert job["job_name"] == "chat-hygiene", "the alerts name this job"
    mounted = {each.split(":")[1]: each.split(":")[0] for each in SERVICES["prometheus"]["volumes"]}
    assert mounted["/etc/prometheus/alerts.yml"] == "./dashboards/alerts.yml"
    assert config["rule_files"] == ["alerts.yml"]
    assert (
        f"--config.file={next(path for path in mounted if path.endswith('prometheus.yml'))}"
        in SERVICES["prometheus"]["command"]
    )


def test_grafana_finds_its_sources_where_compose_has_them():
    sources = {each["type"]: each for each in loaded("grafana/datasources.yml")["datasources"]}
    host, _, _ = sources["postgres"]["url"].partition(":")
    assert host in SERVICES
    assert sources["postgres"]["jsonData"]["database"] == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert "/run/secrets/report_password" in sources["postgres"]["secureJsonData"]["password"]
    assert sources["postgres"]["user"] == "report"
    assert sources["prometheus"]["url"] == "http://prometheus:9090"
    [provider] = loaded("grafana/dashboards.yml")["providers"]
    mounted = [each.split(":")[1] for each in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/chat-hygiene.json" in mounted
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted
    assert set(SERVICES["grafana"]["networks"]) >= {"backend"} <= set(COMPOSE["networks"])
