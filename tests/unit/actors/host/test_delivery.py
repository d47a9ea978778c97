"""A batch is answered in its order, when everything it depends on is there."""

from __future__ import annotations

import asyncio

from ganggpt.actors.host.delivery import Delivery


async def test_replies_stand_in_the_order_of_the_commands_whichever_is_settled_first() -> None:
    delivery = Delivery(3)
    waiting = asyncio.create_task(delivery.all_in())
    for slot in (2, 0):
        delivery.settle(slot, b"%d" % slot)
    await asyncio.sleep(0)
    assert not waiting.done()
    delivery.settle(1, b"1")
    await asyncio.wait_for(waiting, 1)
    assert delivery.replies == [b"0", b"1", b"2"]


async def test_it_waits_for_the_newest_commit_any_of_its_replies_depends_on() -> None:
    delivery = Delivery(3)
    for slot, ticket in enumerate((2, 7, 5)):
        delivery.settle(slot, b"", ticket)
    assert delivery.ticket == 7
