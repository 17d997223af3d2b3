"""A real kernel that shows the dashboard, and what anyone who reaches its page could send it."""

import os
import sys
from contextlib import contextmanager

from jupyter_client.manager import KernelManager

from workbench.cli.pages import CELLS

WAIT_S = 240


class Viewer:
    """The kernel of one viewer; `states` are the widgets of its page as a page sees them."""

    def __init__(self, manager, client):
        self.pid, self._client = manager.provisioner.pid, client

    def run(self, code):
        """What a cell printed; fails if it failed."""
        printed = []

        def keep(message):
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=keep, timeout=WAIT_S)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def send(self, kind, comm, data, **more):
        """One raw message of a page, which are all that Voila lets through."""
        content = {"comm_id": comm, "data": data, **more}
        # The protocol of asking for all widgets.
        message = self._client.session.msg(kind, content, metadata={"version": "1.0.0"})
        self._client.shell_channel.send(message)

    def update(self, comm, **state):
        self.send("comm_msg", comm, {"method": "update", "state": state, "buffer_paths": []})

    def press(self, comm):
        self.send("comm_msg", comm, {"method": "custom", "content": {"event": "click"}})

    def settle(self):
        """Until everything sent has been dealt with."""
        self.run("pass")

    def states(self):
        """What a page is told when it asks for all widgets: the traits of each by the id of its channel."""
        self.settle()
        self.send("comm_open", "control", {}, target_name="jupyter.widget.control")
        self.send("comm_msg", "control", {"method": "request_states"})
        while True:
            message = self._client.get_iopub_msg(timeout=WAIT_S)
            data = message["content"].get("data", {})
            if message["msg_type"] == "comm_msg" and data.get("method") == "update_states":
                self.send("comm_close", "control", {})
                return {comm: told["state"] for comm, told in data["states"].items()}


@contextmanager
def viewing(root):
    """A kernel as Voila and JupyterLab start it, with the dashboard of a workspace in it, locked."""
    manager = KernelManager()
    # This interpreter, whatever kernels are installed on the machine.
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(env={**os.environ, "WORKBENCH_ROOT": str(root)})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(WAIT_S)
        viewer = Viewer(manager, client)
        viewer.run("\n".join(CELLS[:-1]) + f"\nshown = {CELLS[-1]}")
        yield viewer
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
