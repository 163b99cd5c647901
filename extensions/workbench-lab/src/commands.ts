import type { LabIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { IDialogs } from './dialogs';
import { notebookName } from './format';
import {
  CommandIDs,
  DeploymentId,
  IDeployment,
  IRelease,
  IWorkbench,
  ReleaseId,
  RunId
} from './tokens';

/** What the commands act on. */
export interface ICommandParts {
  readonly commands: CommandRegistry;
  readonly workbench: IWorkbench;
  readonly dialogs: IDialogs;
  readonly trans: TranslationBundle;
  /** The notebook a person works in, an empty path for none. */
  readonly notebook: () => { readonly path: string; readonly unsaved: boolean };
  readonly showPanel: () => void;
  readonly openPage: (url: string) => void;
  readonly openLimits: () => void;
  readonly icons: { readonly workbench: LabIcon; readonly promote: LabIcon };
}

const ALL: readonly string[] = Object.values(CommandIDs);
const RESTING: readonly string[] = ['stopped', 'failed'];
const MOVING: readonly string[] = ['starting', 'running', 'restarting'];

/** Add every command of the workbench: panels, menus, palette and toolbar all go through these. */
export function addCommands(parts: ICommandParts): void {
  const { commands, workbench, dialogs, trans, icons } = parts;

  /** Do it, and say how it went. */
  const act = async (verb: () => Promise<string | null>): Promise<void> => {
    try {
      const said = await verb();
      if (said !== null) {
        dialogs.done(said);
      }
    } catch (error) {
      dialogs.failed(error instanceof Error ? error.message : String(error));
    }
  };

  commands.addCommand(CommandIDs.showPanel, {
    label: trans.__('Show the Workbench'),
    caption: trans.__('Runs, releases and deployments'),
    icon: icons.workbench,
    describedBy: { args: describe({}) },
    execute: () => {
      parts.showPanel();
    }
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh the Workbench'),
    caption: trans.__('Load runs and releases again'),
    describedBy: { args: describe({}) },
    execute: () => workbench.refresh()
  });
  commands.addCommand(CommandIDs.limits, {
    label: trans.__('Limits'),
    caption: trans.__('The controls R01 to R26 and their limits by scope'),
    icon: icons.workbench,
    describedBy: { args: describe({}) },
    isEnabled: () => workbench.may('controls'),
    execute: () => {
      parts.openLimits();
    }
  });
  commands.addCommand(CommandIDs.openMonitor, {
    label: trans.__('Open the Monitor'),
    caption: trans.__('What every deployment does, on a page of its own'),
    describedBy: { args: describe({}) },
    isEnabled: () => workbench.state.status !== null,
    execute: () => {
      parts.openPage(workbench.state.status?.monitorUrl ?? '');
    }
  });
  commands.addCommand(CommandIDs.promote, {
    label: trans.__('Promote…'),
    caption: trans.__('Send a run of this notebook through the gates'),
    icon: icons.promote,
    describedBy: {
      args: describe({ runId: trans.__('The run, the newest of the notebook when left out') })
    },
    isEnabled: () => workbench.may('promote'),
    execute: args => {
      const chosen = argument(args, 'runId') as RunId | undefined;
      const { path: notebook, unsaved } =
        chosen === undefined ? parts.notebook() : { path: '', unsaved: false };
      const candidates = (workbench.state.runs ?? []).filter(
        run =>
          run.candidate &&
          (notebook === '' || notebookName(run.notebook) === notebookName(notebook))
      );
      return dialogs.promote({ notebook, unsaved, candidates, chosen: chosen ?? null });
    }
  });
  commands.addCommand(CommandIDs.approve, {
    label: trans.__('Approve or Refuse a Release…'),
    caption: trans.__('Decide on a release that somebody else made'),
    describedBy: { args: describe({ releaseId: trans.__('The release') }) },
    isEnabled: () => workbench.may('approve') && waiting().length > 0,
    execute: args =>
      act(async () => {
        const chosen = (argument(args, 'releaseId') ?? waiting()[0]?.id) as ReleaseId | undefined;
        if (chosen === undefined) {
          return null;
        }
        const asked = await dialogs.approve(
          waiting(),
          chosen,
          workbench.state.me?.soleUser ?? false
        );
        if (asked === null) {
          return null;
        }
        const release = await workbench.api.approve(asked);
        return release.approval === 'approved'
          ? trans.__('%1 is approved.', release.name)
          : trans.__('%1 is refused.', release.name);
      })
  });
  commands.addCommand(CommandIDs.deploy, {
    label: trans.__('Deploy a Release…'),
    caption: trans.__('Put an approved release on an account'),
    describedBy: { args: describe({ releaseId: trans.__('The release') }) },
    isEnabled: () => workbench.may('deploy') && approved().length > 0,
    execute: args =>
      act(async () => {
        const chosen = (argument(args, 'releaseId') ?? approved()[0]?.id) as ReleaseId | undefined;
        if (chosen === undefined) {
          return null;
        }
        const asked = await dialogs.deploy(approved(), await workbench.api.accounts(), chosen);
        return asked === null ? null : (await workbench.api.deploy(asked)).said;
      })
  });
  commands.addCommand(CommandIDs.stop, {
    label: trans.__('Stop a Deployment…'),
    caption: trans.__('No more orders of it; its position is kept or closed'),
    describedBy: { args: describe({ deploymentId: trans.__('The deployment') }) },
    isEnabled: () => workbench.may('stop') && moving().length > 0,
    execute: args =>
      act(async () => {
        const chosen = (argument(args, 'deploymentId') ?? moving()[0]?.id) as
          DeploymentId | undefined;
        if (chosen === undefined) {
          return null;
        }
        const asked = await dialogs.stop(moving(), chosen);
        return asked === null ? null : (await workbench.api.stop(asked.id, asked.flatten)).said;
      })
  });
  commands.addCommand(CommandIDs.start, {
    label: trans.__('Start a Stopped Deployment Again'),
    caption: trans.__('It trades on where it was'),
    describedBy: { args: describe({ deploymentId: trans.__('The deployment') }) },
    isEnabled: () => workbench.may('start') && resting().length > 0,
    execute: args =>
      act(async () => {
        const chosen = (argument(args, 'deploymentId') ?? resting()[0]?.id) as
          DeploymentId | undefined;
        return chosen === undefined ? null : (await workbench.api.start(chosen)).said;
      })
  });
  commands.addCommand(CommandIDs.killAll, {
    label: trans.__('Kill All Trading…'),
    caption: trans.__('No order leaves any more; asks twice'),
    describedBy: { args: describe({}) },
    isEnabled: () => workbench.may('kill'),
    execute: () =>
      act(async () => {
        const reason = await dialogs.killReason(moving().length);
        if (reason === null || !(await dialogs.killConfirmed(reason, moving().length))) {
          return null;
        }
        return (await workbench.api.kill('all', reason)).said;
      })
  });
  commands.addCommand(CommandIDs.unkillAll, {
    label: trans.__('Release the Kill Switch…'),
    caption: trans.__('Let deployments send orders again'),
    describedBy: { args: describe({}) },
    isEnabled: () =>
      workbench.may('unkill') &&
      (workbench.state.status?.kills.some(kill => kill.scope === 'all') ?? false),
    execute: () =>
      act(async () => {
        const reason = await dialogs.unkillReason();
        return reason === null ? null : (await workbench.api.unkill('all', reason)).said;
      })
  });

  let enabled = '';
  workbench.subscribe(() => {
    // a frame comes several times a second: menus and toolbars are only told when it matters to them
    const now = ALL.filter(id => commands.isEnabled(id)).join();
    if (now !== enabled) {
      enabled = now;
      commands.notifyCommandChanged();
    }
  });

  function waiting(): readonly IRelease[] {
    return (workbench.state.releases ?? []).filter(item => item.approval === 'waiting');
  }

  function approved(): readonly IRelease[] {
    return (workbench.state.releases ?? []).filter(item => item.approval === 'approved');
  }

  function resting(): readonly IDeployment[] {
    return workbench.state.deployments.filter(item => RESTING.includes(item.state));
  }

  function moving(): readonly IDeployment[] {
    return workbench.state.deployments.filter(item => MOVING.includes(item.state));
  }
}

function argument(args: ReadonlyPartialJSONObject, name: string): string | undefined {
  const found = args[name];
  return typeof found === 'string' && found !== '' ? found : undefined;
}

/** The schema of a command's arguments, all of them texts that may be left out. */
function describe(texts: Readonly<Record<string, string>>): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(texts).map(([name, description]) => [name, { type: 'string', description }])
    )
  };
}
