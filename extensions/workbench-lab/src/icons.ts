import { LabIcon } from '@jupyterlab/ui-components';

const svg = (body: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">${body}</svg>`;

/** Three candles on a rising line. */
export const workbenchIcon = new LabIcon({
  name: 'workbench:workbench',
  svgstr: svg(
    '<g class="jp-icon3" fill="#616161"><path d="M5 9h1V6h2v3h1v8H8v2H6v-2H5zM11 6h1V3h2v3h1v8h-1v3h-2v-3h-1zM17 5h1V2h2v3h1v7h-1v3h-2v-3h-1z"/><path d="M3 21h18v1.6H3z"/></g>'
  )
});

/** An arrow through a gate. */
export const promoteIcon = new LabIcon({
  name: 'workbench:promote',
  svgstr: svg(
    '<g class="jp-icon3" fill="#616161"><path d="M12 2l6 7h-4v7h-4V9H6z"/><path d="M4 18h16v3H4z"/></g>'
  )
});
