"""The asynchronous SDK, over HTTP and, without a network, over ASGI."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from e2e.sdk import StrictAsyncClient

from metronome_sandbox.api.app import create_app


@pytest.mark.parametrize("way", ["HTTP", "ASGI"])
def test_many_calls_at_once_leave_one_world_in_order(way: str, url: str, token: str):
    async def scenario() -> tuple[list[str], list[str]]:
        transport = httpx.ASGITransport(app=create_app()) if way == "ASGI" else None
        http_client = httpx.AsyncClient(transport=transport, trust_env=False)
        async with StrictAsyncClient(
            base_url="http://sandbox" if way == "ASGI" else url,
            bearer_token=token,
            max_retries=0,
            http_client=http_client,
        ) as client:
            made = await asyncio.gather(*(client.v1.customers.create(name=f"Customer {n}") for n in range(20)))
            found = [customer.id async for customer in client.v1.customers.list(limit=6)]
        return [answer.data.id for answer in made], found

    made, found = asyncio.run(scenario())

    assert len(set(made)) == 20
    assert sorted(found) == sorted(made)
