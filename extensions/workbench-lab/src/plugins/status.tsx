import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { StatusItem } from '../components/StatusItem';
import { useWorkbench } from '../hooks';
import { CommandIDs, IWorkbench } from '../tokens';

interface IBodyProps {
  readonly workbench: IWorkbench;
  readonly onClick: () => void;
  readonly trans: TranslationBundle;
}

function Body({ workbench, onClick, trans }: IBodyProps): React.JSX.Element {
  return <StatusItem state={useWorkbench(workbench)} onClick={onClick} trans={trans} />;
}

/** The gateway's state and whose money is traded, in the status bar. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: '@workbench/lab:status',
  description: 'The state of the gateway, and PAPER or LIVE.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('workbench');
    const item = ReactWidget.create(
      <Body
        workbench={workbench}
        trans={trans}
        onClick={() => {
          void app.commands.execute(CommandIDs.showPanel);
        }}
      />
    );
    item.addClass('wb-StatusBar');
    statusBar?.registerStatusItem(statusPlugin.id, { item, align: 'left', rank: 10 });
  }
};
