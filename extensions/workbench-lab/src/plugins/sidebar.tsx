import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { IPanelActions, Panel } from '../components/Panel';
import { useNow, useWorkbench } from '../hooks';
import { workbenchIcon } from '../icons';
import { CommandIDs, IWorkbench } from '../tokens';

export const PANEL_ID = 'workbench-panel';

const RANK = 250; // below JupyterLab's own panels
const STALE_AFTER_S = 60;

interface IBodyProps {
  readonly workbench: IWorkbench;
  readonly actions: IPanelActions;
  readonly staleAfterS: number;
  readonly trans: TranslationBundle;
}

function Body({ workbench, actions, staleAfterS, trans }: IBodyProps): React.JSX.Element {
  return (
    <Panel
      state={useWorkbench(workbench)}
      may={verb => workbench.may(verb)}
      now={useNow()}
      staleAfterS={staleAfterS}
      actions={actions}
      trans={trans}
    />
  );
}

class Sidebar extends ReactWidget {
  constructor(private props: IBodyProps) {
    super();
    this.id = PANEL_ID;
    this.addClass('wb-Panel');
    this.title.icon = workbenchIcon;
    this.title.caption = props.trans.__('Workbench');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', props.trans.__('Workbench'));
  }

  set staleAfterS(seconds: number) {
    this.props = { ...this.props, staleAfterS: seconds };
    this.update();
  }

  protected override render(): React.JSX.Element {
    return <Body {...this.props} />;
  }
}

/** The panel at the left: deployments, releases and runs. */
export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: '@workbench/lab:sidebar',
  description: 'Runs, releases with their gates, deployments with their live state.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [ILayoutRestorer, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    restorer: ILayoutRestorer | null,
    settings: ISettingRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('workbench');
    const run = (command: string, args: Record<string, string> = {}): void => {
      void app.commands.execute(command, args);
    };
    const panel = new Sidebar({
      workbench,
      trans,
      staleAfterS: STALE_AFTER_S,
      actions: {
        onPromote: runId => {
          run(CommandIDs.promote, { runId });
        },
        onApprove: releaseId => {
          run(CommandIDs.approve, { releaseId });
        },
        onDeploy: releaseId => {
          run(CommandIDs.deploy, { releaseId });
        },
        onStop: deploymentId => {
          run(CommandIDs.stop, { deploymentId });
        },
        onStart: deploymentId => {
          run(CommandIDs.start, { deploymentId });
        },
        onKill: () => {
          run(CommandIDs.killAll);
        },
        onUnkill: () => {
          run(CommandIDs.unkillAll);
        },
        onRefresh: () => {
          run(CommandIDs.refresh);
        },
        onLimits: () => {
          run(CommandIDs.limits);
        },
        onMonitor: () => {
          run(CommandIDs.openMonitor);
        }
      }
    });
    app.shell.add(panel, 'left', { rank: RANK });
    restorer?.add(panel, PANEL_ID);
    void settings?.load(sidebarPlugin.id).then(found => {
      const read = (): void => {
        const seconds = found.get('staleAfterSeconds').composite;
        panel.staleAfterS = typeof seconds === 'number' ? seconds : STALE_AFTER_S;
      };
      found.changed.connect(read);
      read();
    });
  }
};
