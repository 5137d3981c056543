"""The overview and the pages of targets: what is shown of few and of many, and what is found."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from devops_agent.model.notice import Delivery
from devops_agent.model.reading import FIVE_MINUTES, Bucket, floor
from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.store import deliveries, events, heartbeats, readings, targets
from devops_agent.web.pages.overview import faces
from devops_agent.web.pages.target import fitting
from devops_agent.web.pages.targets import matching
from tests.plugins.posted import NOW
from tests.web import crowd, seed
from tests.web.serving import Running

if TYPE_CHECKING:
    from devops_agent.store.rows import Rows


@pytest.fixture
async def full(web: Running) -> Running:
    """A store that looks like a working week."""
    await web.store.write(lambda rows: seed.fill(rows, web.clock.now()), tell=("events",))
    return web


def one(name: str, health: Health = Health.WELL, minutes: float = 1, **about: object) -> Sighting:
    target = Target(name=name, **about)  # type: ignore[arg-type]
    return Sighting(target=target, health=health, since=NOW - timedelta(minutes=minutes), seen_at=NOW)


async def page(web: Running, path: str, scope: str = "operate") -> str:
    answer = await web.get(path, scope="", headers=await web.log_in(scope))
    assert answer.status == 200
    return answer.text


def test_few_targets_are_all_shown_by_name_and_of_many_only_those_in_trouble() -> None:
    few = [one("a"), one("b", Health.DOWN)]
    assert [seen.target.name for seen in faces(few).tiles] == ["b", "a"]
    many = [*few, *(one(f"c{number}") for number in range(40))]
    shown = faces(many)
    assert [seen.target.name for seen in shown.tiles] == ["b"]
    assert [(health, len(cells)) for health, cells in shown.cells] == [("well", 41)]
    assert shown.counts == [("down", 1), ("well", 41)]


def test_the_newest_trouble_comes_first_and_what_has_no_room_keeps_its_cell() -> None:
    shown = faces([one(f"d{minutes}", Health.DOWN, minutes) for minutes in range(1, 31)])
    assert [seen.target.name for seen in shown.tiles[:2]] == ["d1", "d2"]
    assert len(shown.tiles) + sum(len(cells) for _, cells in shown.cells) == 30


def test_targets_are_found_by_all_words_in_name_alias_group_or_label() -> None:
    seen = [
        one("shop-1", group="shop", labels={"team": "red"}),
        one("shop-2", group="shop"),
        one("db", aliases=("pg",)),
    ]
    assert [found.target.name for found in matching(seen, "SHOP team=red")] == ["shop-1"]
    assert [found.target.name for found in matching(seen, "pg")] == ["db"]
    assert matching(seen, "nothing") == []
    assert matching(seen, " ") == seen


async def test_who_looks_for_the_only_one_of_a_name_is_led_to_it(full: Running) -> None:
    answer = await full.get("/targets?q=check", scope="", headers=await full.log_in())
    assert (answer.status, answer.headers["Location"]) == (303, "/targets/checkout")
    assert "No target is like that" in await page(full, "/targets?q=nobody")


async def test_targets_are_listed_by_health_a_hundred_at_a_time(web: Running) -> None:
    many = [one(f"s{number:03}", Health.DOWN if number % 50 == 0 else Health.WELL) for number in range(250)]
    await web.store.write(lambda rows: targets.keep(rows, many))
    first, last = await page(web, "/targets"), await page(web, "/targets?skip=200")
    assert re.findall(r'<th scope="row"><a href="/targets/(\w+)"', first)[:5] == [
        "s000",
        "s050",
        "s100",
        "s150",
        "s200",
    ]
    assert "1 to 100 of 250" in first
    assert "201 to 250 of 250" in last
    assert 'rel="next"' not in last
    assert len(re.findall(r'<th scope="row">', await page(web, "/targets?health=down"))) == 5


async def test_the_overview_tells_which_part_of_the_product_does_not_work(full: Running) -> None:
    full.clock.ahead += timedelta(minutes=3)
    text = await page(full, "/")
    assert re.search(r'class="p-bad"><dt>agent</dt><dd>silent', text)
    assert re.search(r'class="p-idle"><dt>worker</dt><dd>idle', text)


async def test_messages_that_wait_though_nobody_delivers_them_are_told(full: Running) -> None:
    def write(rows: Rows) -> None:
        rows.run(
            "INSERT INTO outbox (key, incident, kind, severity, message_json, created_at)"
            " VALUES ('k', '', 'escalated', 'critical', '{}', 1)"
        )
        beat = heartbeats.all_(rows)["agent"]
        heartbeats.beat(rows, beat.with_(role="watchdog"))

    await full.store.write(write)
    text = await page(full, "/")
    assert re.search(r'class="p-bad"><dt>notify</dt><dd>does not run, though messages wait', text)
    assert "1 waiting" in text
    assert re.search(r'class="p-good"><dt>alerting</dt>', text)


async def test_nobody_has_to_run_for_messages_that_are_not_due_yet(full: Running) -> None:
    def write(rows: Rows) -> None:
        rows.run(
            "INSERT INTO outbox (id, key, incident, kind, severity, message_json, created_at, routed_at)"
            " VALUES (999, 'k', '', 'escalated', 'critical', '{}', 1, 1)"
        )
        later = full.clock.now() + timedelta(minutes=4)
        deliveries.plan(rows, [Delivery(notice=999, channel="chat", not_before=later, created_at=full.clock.now())])

    await full.store.write(write)
    text = await page(full, "/")
    assert "1 waiting" in text
    assert re.search(r'class="p-idle"><dt>notify</dt>', text)


async def test_what_is_trusted_is_told_once_it_was_counted(web: Running) -> None:
    await crowd.fill(web.store, web.clock.now(), targets_=3, incidents_=60)
    assert "is being counted" in await page(web, "/")
    await web.app.state.trusted.count(web.app.state.desk)
    assert re.search(r"\d+ (without|after) asking", await page(web, "/"))


async def test_a_target_shows_its_past_as_plots_with_their_numbers(web: Running) -> None:
    await crowd.fill(web.store, web.clock.now(), targets_=9, incidents_=40)
    text = await page(web, "/targets/service-000")
    assert text.count("<figure") == 1 + 5
    assert "limit 80 %" in text
    assert "Error budget of 30 days" in text
    assert text.count("<tr><td>") >= 5 * 40
    assert "Needed by" in text
    week = await page(web, "/targets/service-000?window=7d")
    assert len(week) < len(text)
    answer = await web.get("/targets/service-000?window=1y", scope="", headers=await web.log_in())
    assert answer.status == 422


async def test_a_target_of_which_little_is_known_shows_no_more_than_that(full: Running) -> None:
    now = full.clock.now()
    assert [fitting(since, now=now) for since in (None, now)] == ["1h", "1h"]
    assert fitting(now - timedelta(hours=3), now=now) == "6h"
    assert fitting(now - timedelta(days=40), now=now) == "24h"
    lately = Bucket(at=floor(now, FIVE_MINUTES) - FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=300, seen_seconds=300)
    await full.store.write(lambda rows: readings.add(rows, [("search", lately)]))
    assert '<a href="?window=1h" aria-current="true">' in await page(full, "/targets/search")
    assert '<a href="?window=7d" aria-current="true">' in await page(full, "/targets/search?window=7d")


async def test_all_are_called_well_only_when_all_are(web: Running) -> None:
    both = [one("a"), one("b", Health.STARTING)]
    await web.store.write(lambda rows: targets.keep(rows, both))
    assert "1 of 2 targets is well." in await page(web, "/")
    await web.store.write(lambda rows: targets.keep(rows, [one("a"), one("b")]))
    assert "All 2 targets are well." in await page(web, "/")


async def test_sign_ins_do_not_crowd_out_what_happened_to_the_site(full: Running) -> None:
    before = (await page(full, "/")).split('id="lately"')[1]

    def write(rows: Rows) -> None:
        for number in range(30):
            events.add(rows, "login", f"ada{number} signed in", at=full.clock.now(), actor="page:ada")

    await full.store.write(write)
    after = (await page(full, "/")).split('id="lately"')[1]
    assert "signed in" not in after
    assert after.count("<li") == before.count("<li") > 0


async def test_a_target_that_was_seen_once_has_a_page_without_a_past(full: Running) -> None:
    text = await page(full, "/targets/search")
    assert "Nothing is known of this time" in text
    assert "seen once" in text


async def test_a_time_of_maintenance_is_told_apart_from_trouble(full: Running) -> None:
    at = floor(full.clock.now(), FIVE_MINUTES) - FIVE_MINUTES * 2
    quiet = Bucket(at=at, lasts=FIVE_MINUTES, excluded_seconds=300)
    bad = Bucket(at=at + FIVE_MINUTES, lasts=FIVE_MINUTES, well_seconds=30, seen_seconds=300)
    await full.store.write(lambda rows: readings.add(rows, [("search", quiet), ("search", bad)]))
    text = await page(full, "/targets/search?window=1h")
    assert 'class="k-excluded"' in text
    assert "well 10% of the time" in text


async def test_each_check_tells_what_it_found_last(full: Running) -> None:
    seen = await full.store.read(lambda rows: targets.get(rows, "search"))
    assert seen
    await full.store.write(lambda rows: targets.keep(rows, [seen.with_(results={"health": "answered 500"})]))
    assert "fails: answered 500" in await page(full, "/targets/search")
    assert "not made yet" in await page(full, "/targets/checkout")


async def test_pages_are_packed_for_who_can_unpack_them_and_files_are_kept(full: Running) -> None:
    browser = await full.log_in()
    answer = await full.get("/", scope="", headers=browser)
    assert answer.headers["Content-Encoding"] == "gzip"
    plain = await full.get("/", scope="", headers={**browser, "Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    address = re.search(r'href="(/static/page.css\?\w+)"', plain.text)
    assert address
    held = await full.get(address.group(1), scope="")
    assert "immutable" in held.headers["Cache-Control"]
    assert (await full.get("/static/page.css", scope="")).headers["Cache-Control"] == "no-cache"
