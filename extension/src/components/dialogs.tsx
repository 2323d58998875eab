/** Questions to the user, in JupyterLab's own dialogs. */

import { Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import type { ReactNode } from 'react';
import { asApiError } from '../model/resource';
import type { Trans } from '../tokens';
import { PanelProvider, type IPanel } from './context';
import { mending } from './states';

/** Ask before something that matters; `danger` for what cannot be taken back. */
export async function confirm(
  trans: Trans,
  question: { title: string; body: string; accept: string; danger?: boolean }
): Promise<boolean> {
  const accept = question.danger
    ? Dialog.warnButton({ label: question.accept })
    : Dialog.okButton({ label: question.accept });
  const result = await showDialog({
    title: question.title,
    body: question.body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), accept]
  });
  return result.button.accept;
}

class Form<T> extends ReactWidget {
  constructor(
    private readonly panel: IPanel,
    initial: T,
    private readonly draw: (value: T, set: (value: T) => void) => ReactNode,
    private readonly valid: (value: T) => boolean
  ) {
    super();
    this.addClass('mn-Form');
    this._value = initial;
  }

  getValue(): T {
    return this._value;
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._allow();
  }

  protected override render(): JSX.Element {
    return (
      <PanelProvider panel={this.panel}>
        {this.draw(this._value, value => {
          this._value = value;
          this.update();
          this._allow();
        })}
      </PanelProvider>
    );
  }

  /** Only what is valid can be accepted; a dialog has no way of its own to say so. */
  private _allow(): void {
    const buttons = this.node
      .closest('.jp-Dialog-content')
      ?.querySelectorAll<HTMLButtonElement>('.jp-Dialog-footer button');
    const accept = buttons?.[buttons.length - 1];
    if (accept) {
      accept.disabled = !this.valid(this._value);
    }
  }

  private _value: T;
}

/** Show a form; returns what was entered, or `null` where it was cancelled. */
export async function askForm<T>(
  panel: IPanel,
  form: {
    title: string;
    accept: string;
    initial: T;
    draw: (value: T, set: (value: T) => void) => ReactNode;
    danger?: boolean;
    /** What may be accepted; everything where left out. */
    valid?: (value: T) => boolean;
  }
): Promise<T | null> {
  const { trans } = panel;
  const valid = form.valid ?? (() => true);
  const accept = form.danger
    ? Dialog.warnButton({ label: form.accept })
    : Dialog.okButton({ label: form.accept });
  let initial = form.initial;
  for (;;) {
    const result = await showDialog<T>({
      title: form.title,
      body: new Form(panel, initial, form.draw, valid),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), accept]
    });
    if (!result.button.accept || result.value === null) {
      return null;
    }
    if (valid(result.value)) {
      return result.value;
    }
    initial = result.value; // accepted by the Enter key, which no disabled button stops
  }
}

/**
 * Do something; what goes wrong is told with the way to mend it, and `undefined` returned.
 * `done` words a success; an empty text says nothing.
 */
export async function attempt<T>(
  trans: Trans,
  work: () => Promise<T>,
  done?: (value: T) => string
): Promise<T | undefined> {
  try {
    const value = await work();
    const text = done?.(value);
    if (text) {
      Notification.success(text, { autoClose: 4000 });
    }
    return value;
  } catch (thrown) {
    const error = asApiError(thrown);
    const parts = [error.where, error.message].filter(Boolean).join(': ');
    const text =
      error.kind === 'no-server'
        ? trans.__('The server part of mlops-nb is not enabled.')
        : error.kind === 'offline'
          ? trans.__('The Jupyter server does not answer.')
          : error.fix
            ? `${parts}. ${mending(error, trans)}`
            : parts;
    Notification.error(text, { autoClose: false });
    return undefined;
  }
}
