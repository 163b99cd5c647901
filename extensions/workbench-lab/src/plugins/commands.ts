import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCommands } from '../commands';
import { LabDialogs } from '../dialogs';
import { promoteIcon, workbenchIcon } from '../icons';
import { CommandIDs, IWorkbench } from '../tokens';
import { showLimits } from './limits';
import { PANEL_ID } from './sidebar';

/**
 * Commands, their entries in the palette and, by this plugin's schema, in the main menu and on the
 * notebook's toolbar.
 */
export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@workbench/lab:commands',
  description: 'Promote, approve, deploy, stop and kill.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [ICommandPalette, INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('workbench');
    addCommands({
      commands: app.commands,
      workbench,
      dialogs: new LabDialogs(workbench, trans),
      trans,
      notebook: () => {
        const context = notebooks?.currentWidget?.context;
        return { path: context?.path ?? '', unsaved: context?.model.dirty ?? false };
      },
      showPanel: () => {
        app.shell.activateById(PANEL_ID);
      },
      openPage: url => {
        window.open(url, '_blank', 'noopener');
      },
      openLimits: () => {
        showLimits(app, workbench, trans);
      },
      icons: { workbench: workbenchIcon, promote: promoteIcon }
    });
    const category = trans.__('Workbench');
    Object.values(CommandIDs).forEach(command => {
      palette?.addItem({ command, category });
    });
  }
};
