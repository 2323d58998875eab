/** All views, in the order of the menu. */

import { compareView } from './compare';
import { exportView } from './export';
import { logView } from './log';
import { pipelineView } from './pipeline';
import { runView } from './run';
import { runsView } from './runs';
import { schedulesView } from './schedules';
import type { IView } from './view';

export const VIEWS: readonly IView[] = [
  pipelineView,
  runsView,
  runView,
  compareView,
  logView,
  schedulesView,
  exportView
];
