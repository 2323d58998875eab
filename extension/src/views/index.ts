/** All views, in the order of the menu. */

import { compareView } from './compare';
import { runView } from './run';
import { runsView } from './runs';
import type { IView } from './view';

export const VIEWS: readonly IView[] = [runsView, runView, compareView];
