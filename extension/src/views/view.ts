/** What a view is to the application. */

import type { LabIcon } from '@jupyterlab/ui-components';
import type { JSONObject } from '@lumino/coreutils';
import type { Trans } from '../tokens';

/** One view of the main area; opened by the command `mlops-nb:open-<id>`. */
export interface IView {
  readonly id: string;
  readonly icon: LabIcon;
  readonly component: () => JSX.Element;
  /** The tab's title; `args` is what the view was opened with. */
  title(trans: Trans, args: JSONObject): string;
  /** What it shows, for the launcher, the palette and the tab's tooltip. */
  caption(trans: Trans): string;
  /** Arguments that tell two opened views of this kind apart; one of a kind without. */
  readonly key?: (args: JSONObject) => string;
  /** Whether it stands in the launcher and the menu; not those that need arguments. */
  readonly listed: boolean;
}
