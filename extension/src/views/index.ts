/** All views, in the order of the menu. */

import { compareView } from './compare';
import { exportView } from './export';
import { logView } from './log';
import { modelsView } from './models';
import { monitoringView } from './monitoring';
import { pipelineView } from './pipeline';
import { runView } from './run';
import { runsView } from './runs';
import { schedulesView } from './schedules';
import { versionView } from './version';
import { versionsView } from './versions';
import type { IView } from './view';

export const VIEWS: readonly IView[] = [
  pipelineView,
  runsView,
  modelsView,
  monitoringView,
  runView,
  compareView,
  logView,
  versionView,
  versionsView,
  schedulesView,
  exportView
];
