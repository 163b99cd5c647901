"""JupyterLab's configuration for the workbench: `jupyter lab --config jupyter_config.py`, or `workbench up`.

One person on one machine: loopback, a token, no console beside the notebooks, only the extensions listed
here. For several people put an identity provider in front, and write down who is what, for instance

    c.ServerApp.identity_provider_class = "…"
    c.WorkbenchRoles.users = {"sarah": "researcher", "david": "approver", "alex": "viewer"}
"""

import os
from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from jupyter_server.extension.config import ExtensionConfigManager

c = get_config()  # noqa: F821  Jupyter puts it there

PROJECT = Path(__file__).resolve().parent
os.umask(0o077)  # notebooks and runtime files are nobody else's to read

# --- who gets in ---------------------------------------------------------------------------------
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_unauthenticated_access = False
c.ServerApp.disable_check_xsrf = False
c.ServerApp.allow_origin = ""
c.ServerApp.allow_credentials = False
c.ServerApp.authorizer_class = "workbench.server.roles.WorkbenchAuthorizer"
c.PasswordIdentityProvider.allow_password_change = False

# --- what is loaded: this list and nothing else ---------------------------------------------------
ALLOWED = ("jupyterlab", "jupyter_scheduler", "workbench.server")
_installed = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
c.ServerApp.jpserver_extensions = {**dict.fromkeys(_installed, False), **dict.fromkeys(ALLOWED, True)}
c.LabApp.extension_manager = "readonly"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.app_settings_dir = str(PROJECT / "extensions" / "settings")  # nothing is fetched from outside

# --- schedules: jupyter-scheduler is only the face of the workbench's own scheduler -----------------
c.SchedulerApp.scheduler_class = "workbench.schedule.jupyter_face.WorkbenchScheduler"
c.SchedulerApp.environment_manager_class = "workbench.schedule.jupyter_face.WorkbenchEnvironments"
c.SchedulerApp.job_files_manager_class = "workbench.schedule.jupyter_face.WorkbenchJobFiles"
c.SchedulerApp.db_url = "sqlite://"

# --- files -----------------------------------------------------------------------------------------
c.ServerApp.root_dir = str(PROJECT)
c.FileContentsManager.preferred_dir = "notebooks"
c.ContentsManager.allow_hidden = False
c.ContentsManager.pre_save_hook = "workbench.notebook.stamp_on_save"  # a notebook's idea, see trials
c.FileContentsManager.delete_to_trash = False

# --- kernels: live ones are not reached from here ---------------------------------------------------
c.ServerApp.terminals_enabled = False
c.ServerApp.allow_external_kernels = False
c.KernelManager.transport_encryption = "auto"  # loopback ports can be read by every user of the machine
c.MultiKernelManager.default_kernel_name = "workbench"
c.MappingKernelManager.buffer_offline_messages = False
c.MappingKernelManager.cull_idle_timeout = 4 * 3600
c.MappingKernelManager.cull_interval = 300
c.MappingKernelManager.cull_connected = False
c.MappingKernelManager.cull_busy = False
