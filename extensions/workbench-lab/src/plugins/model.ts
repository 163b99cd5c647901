import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { WorkbenchModel } from '../model';
import { ServerApi } from '../request';
import { IWorkbench } from '../tokens';

/** The one data layer: a WebSocket and a few REST calls for every panel. */
export const modelPlugin: JupyterFrontEndPlugin<IWorkbench> = {
  id: '@workbench/lab:model',
  description: 'The live state of the workbench.',
  autoStart: true,
  provides: IWorkbench,
  activate: (app: JupyterFrontEnd): IWorkbench => {
    const model = new WorkbenchModel(new ServerApi(app.serviceManager.serverSettings));
    void app.started.then(() => {
      model.start();
    });
    return model;
  }
};
