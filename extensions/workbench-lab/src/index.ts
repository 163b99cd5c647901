import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { commandsPlugin } from './plugins/commands';
import { modelPlugin } from './plugins/model';
import { sidebarPlugin } from './plugins/sidebar';
import { statusPlugin } from './plugins/status';

export * from './tokens';

const plugins: readonly JupyterFrontEndPlugin<unknown>[] = [
  modelPlugin,
  commandsPlugin,
  sidebarPlugin,
  statusPlugin
];

export default plugins;
