/** A view as a Lumino widget, and what it remembers. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { JSONObject } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';
import { PanelProvider, type IPanel, type ViewArgs } from '../components/context';
import type { IView } from './view';

/** What one opened view remembers over a reload. */
class Args implements ViewArgs {
  constructor(public snapshot: JSONObject) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  set(args: JSONObject): void {
    this.snapshot = { ...this.snapshot, ...args };
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
}

/** One view in the main area or the sidebar. */
export class ViewWidget extends ReactWidget {
  constructor(
    private readonly panel: IPanel,
    readonly view: IView,
    args: JSONObject = {}
  ) {
    super();
    this.args = new Args(args);
    this.addClass('mn-View');
    this.node.dataset.view = view.id;
  }

  readonly args: Args;

  protected override render(): JSX.Element {
    const View = this.view.component;
    return (
      <PanelProvider panel={this.panel} args={this.args}>
        <View />
      </PanelProvider>
    );
  }
}
