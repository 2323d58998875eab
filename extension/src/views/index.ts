/** All views, in the order of the menu. */

import { compareView } from './compare';
import { logView } from './log';
import { pipelineView } from './pipeline';
import { runView } from './run';
import { runsView } from './runs';
import type { IView } from './view';

export const VIEWS: readonly IView[] = [
  pipelineView,
  runsView,
  runView,
  compareView,
  logView
];
