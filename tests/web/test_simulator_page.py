"""The page that lists the demo patients."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from simulator_over_http import Simulator


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.articles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"] or "")
        if tag == "article":
            self.articles.append(found["id"] or "")
        if tag in {"script", "link", "img", "iframe"} or "src" in found:
            self.loads.append(tag)


def test_the_page_lists_every_patient_with_links_that_work(simulator: Simulator) -> None:
    answer = simulator.client.get("/simulator/")
    assert answer.headers["content-type"].startswith("text/html")
    page = Page(answer.text)
    assert len(page.articles) == 12
    for link in page.links:
        assert simulator.client.get(f"/simulator/{link}").status_code == 200, link


def test_the_page_loads_nothing_from_anywhere(simulator: Simulator) -> None:
    answer = simulator.client.get("/simulator/")
    assert Page(answer.text).loads == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "url(" not in answer.text


def test_the_commands_can_be_copied_as_they_stand(simulator: Simulator) -> None:
    text = simulator.client.get("/simulator/").text
    command = "medgemma-cds call patient-view --patient demo-sepsis --fhir http://testserver/simulator/fhir"
    assert f"{command} --service-url http://testserver" in text
    assert "-o demo-sepsis-orders.json" in text


def test_the_draft_orders_of_a_patient_can_be_fetched(simulator: Simulator) -> None:
    orders = simulator.client.get("/simulator/patients/demo-af/draft-orders").json()
    assert [entry["resource"]["resourceType"] for entry in orders["entry"]] == ["MedicationRequest"] * 2
    assert simulator.client.get("/simulator/patients/nobody/draft-orders").status_code == 404


def test_the_address_without_a_slash_leads_to_the_page(simulator: Simulator) -> None:
    assert simulator.client.get("/simulator").status_code == 200


def test_a_loaded_patient_is_listed_and_their_name_stays_text(simulator: Simulator) -> None:
    hostile = {"resourceType": "Patient", "id": "loaded-1", "name": [{"family": "<script>alert(1)</script>"}]}
    simulator.store.load(json.dumps(hostile).encode())
    text = simulator.client.get("/simulator/").text
    assert "loaded-1" in Page(text).articles
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_looking_at_the_page_does_not_make_the_promised_observations(simulator: Simulator) -> None:
    simulator.client.get("/simulator/")
    assert simulator.store.pending


def test_the_front_door_leads_to_the_page(simulator: Simulator) -> None:
    answer = simulator.client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/simulator/")
