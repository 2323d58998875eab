/** Our own icons: JupyterLab's size, drawn in the current colour. */

import { LabIcon } from '@jupyterlab/ui-components';

function icon(name: string, body: string): LabIcon {
  return new LabIcon({
    name: `mlops-nb:${name}`,
    svgstr:
      `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">` +
      `<g class="jp-icon3" fill="#616161">${body}</g></svg>`
  });
}

/** A small graph: the extension's own mark. */
export const pipelineIcon = icon(
  'pipeline',
  '<path d="M2 1.5h5v4H5.2v1.7h5.6V5.5H9v-4h5v4h-1.8v3.1H8.7v1.9h1.8v4h-5v-4h1.8V8.6H3.8V5.5H2z"/>'
);
export const historyIcon = icon(
  'history',
  '<path d="M8.5 2a6 6 0 0 0-5.9 5H1l2.4 3 2.4-3H4.1a4.5 4.5 0 1 1 1.2 4l-1 1.1A6 6 0 1 0 8.500 2zM7.800 5v3.600l2.900 1.700.600-1-2.200-1.300V5z"/>'
);
export const compareIcon = icon(
  'compare',
  '<path d="M1.500 2.500h5v11h-5zM3 4v8h2V4zm6.500-1.500h5v11h-5zM11 4v8h2V4z"/>'
);
export const fitIcon = icon(
  'fit',
  '<path d="M2 2h4v1.500H3.500V6H2zm8 0h4v4h-1.500V3.500H10zM2 10h1.500v2.500H6V14H2zm10.500 0H14v4h-4v-1.500h2.500zM5.500 5.500h5v5h-5z"/>'
);
export const runToIcon = icon('run-to', '<path d="M2 3l7 5-7 5zM11 3h2v10h-2z"/>');
export const runFromIcon = icon('run-from', '<path d="M3 3h2v10H3zM7 3l7 5-7 5z"/>');
export const runThisIcon = icon(
  'run-this',
  '<path d="M2 2h2v12H2zM6 4l6 4-6 4zM12.500 2h2v12h-2z"/>'
);
export const pathIcon = icon(
  'critical-path',
  '<path d="M3 1.500a2 2 0 0 1 .8 3.800v1.200L8 8.800l4.200-2.300V5.300a2 2 0 1 1 1.500 0v2.100L8.750 10.100v.6a2 2 0 1 1-1.500 0v-.6L2.300 7.400V5.300A2 2 0 0 1 3 1.500z"/>'
);
export const parametersIcon = icon(
  'parameters',
  '<path d="M2 3.300h6.200a2 2 0 0 1 3.700 0H14v1.500h-2.100a2 2 0 0 1-3.700 0H2zm0 8h2.200a2 2 0 0 1 3.700 0H14v1.500H7.900a2 2 0 0 1-3.700 0H2z"/>'
);
export const modelIcon = icon(
  'model',
  '<path d="M8 1l6 3.300v7.400L8 15l-6-3.300V4.300zm0 1.700L4.500 4.600 8 6.500l3.500-1.900zM3.500 5.900v4.900l3.750 2.100V7.950zm9 0L8.750 7.950v4.950l3.750-2.100z"/>'
);
export const promoteIcon = icon(
  'promote',
  '<path d="M8 1.500l5 5-1.100 1.100-3.150-3.150V11h-1.500V4.450L4.100 7.600 3 6.500zM3 12.500h10V14H3z"/>'
);
export const monitorIcon = icon(
  'monitor',
  '<path d="M2 2h3.500v3.500H2zm4.250 0h3.500v3.500h-3.500zM10.500 2H14v3.500h-3.500zM2 6.250h3.500v3.500H2zm8.500 0H14v3.500h-3.500zM2 10.500h3.500V14H2zm4.250 0h3.500V14h-3.500z"/>'
);

export const exportIcon = icon(
  'export',
  '<path d="M7.250 2.900 4.600 5.500 3.550 4.450 8 0l4.450 4.450L11.400 5.500 8.750 2.900V10h-1.500zM2 7.500h3V9H3.500v5h9V9H11V7.500h3v8H2z"/>'
);
export const pauseIcon = icon('pause', '<path d="M4 3h3v10H4zm5 0h3v10H9z"/>');
export const scheduleIcon = icon(
  'schedule',
  '<path d="M4 1h1.500v1.500h5V1H12v1.500h2v12H2v-12h2zM3.500 6.500V13h9V6.500zM7.300 7.500h1.400v2.400l1.900 1-.6 1.200-2.700-1.400z"/>'
);

/** Glyphs of states, for `Glyph`; filled shapes that differ without colour. */
export const GLYPHS = {
  done: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM6.900 11.500 3.500 8.100l1.200-1.200 2.200 2.200 4.400-4.500 1.200 1.200z',
  failed:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm3.200 9-1.200 1.200-2-2-2 2L4.800 10l2-2-2-2L6 4.800l2 2 2-2L11.200 6l-2 2z',
  running: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM6.200 4.800l5.100 3.200-5.100 3.200z',
  waiting:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 1.600a5.400 5.400 0 1 1 0 10.800A5.400 5.400 0 0 1 8 2.600zM7.200 4.500v4l3.200 1.900.7-1.200-2.400-1.400V4.500z',
  skipped: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM4.500 7.200h7v1.600h-7z',
  restored:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm-.8 3.500h1.600v4h2L8 11.800 5.200 8.500h2z',
  stopped: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM5.300 5.300h5.400v5.400H5.300z',
  blocked:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM4 5.300 10.700 12A5.300 5.300 0 0 1 4 5.300zm8 5.400L5.300 4A5.300 5.300 0 0 1 12 10.700z',
  stale:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 2.600c1.300 0 2.400.5 3.200 1.300l1.300-1.300v3.900H8.600L10.200 6A3 3 0 1 0 11 8.600h1.500A4.500 4.500 0 1 1 8 3.600z',
  warning: 'M8 1 .5 14.500h15zM7.200 5.500h1.600v4.800H7.200zm0 5.800h1.600v1.600H7.200z',
  unknown:
    'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm-.8 10h1.600v1.600H7.200zM8 3.500c1.700 0 2.800 1 2.800 2.400 0 1.800-2 2-2 3.600H7.200c0-2.400 2-2.500 2-3.600 0-.6-.5-1-1.200-1s-1.200.5-1.200 1.300H5.200C5.200 4.600 6.300 3.500 8 3.500z'
} as const;

export type GlyphName = keyof typeof GLYPHS;

/** A state's glyph; the text beside it says the same. */
export function Glyph(props: { name: GlyphName; className?: string }): JSX.Element {
  return (
    <svg
      className={`mn-Glyph ${props.className ?? ''}`}
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
    >
      <path fillRule="evenodd" d={GLYPHS[props.name]} />
    </svg>
  );
}
