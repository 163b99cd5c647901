"""A page's kernel ends when the page is gone, and only so many pages are open at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tornado.web import HTTPError

from workbench.dashboards.kernels import ViewerKernels

CHATTER = """
import asyncio, ipywidgets
async def refresh(label):
    for count in range(100_000):
        label.value = str(count)
        await asyncio.sleep(0.05)
task = asyncio.get_running_loop().create_task(refresh(ipywidgets.HTML()))
"""


@pytest.fixture
async def kernels() -> AsyncIterator[ViewerKernels]:
    manager = ViewerKernels(
        most=1, cull_interval=1, cull_idle_timeout=2, cull_busy=True, buffer_offline_messages=False
    )
    yield manager
    await manager.shutdown_all(now=True)


async def test_a_chattering_kernel_ends_after_its_last_viewer_left_and_not_before(kernels):
    kernel = await kernels.start_kernel(kernel_name="python3")
    kernels.notify_connect(kernel)
    client = kernels.get_kernel(kernel).client()
    client.start_channels()
    await client._async_wait_for_ready(timeout=30)
    await client._async_execute_interactive(CHATTER, timeout=30)
    await asyncio.sleep(4)
    assert kernel in kernels
    kernels.notify_disconnect(kernel)
    async with asyncio.timeout(10):
        while kernel in kernels:
            await asyncio.sleep(0.1)
    client.stop_channels()


async def test_one_page_more_than_may_be_open_is_refused(kernels):
    await kernels.start_kernel(kernel_name="python3")
    with pytest.raises(HTTPError, match="As many pages are open as may be"):
        await kernels.start_kernel(kernel_name="python3")
