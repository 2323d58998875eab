/** A view's toolbar; every button is a command or a plain action. */

import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { useEffect, useState, type KeyboardEvent, type ReactNode } from 'react';
import { usePanel } from './context';

export function Toolbar(props: { label: string; children: ReactNode }): JSX.Element {
  return (
    <div className="mn-Toolbar" role="toolbar" aria-label={props.label} onKeyDown={walk}>
      {props.children}
    </div>
  );
}

/** Pushes what follows it to the end. */
export function Spacer(): JSX.Element {
  return <span className="mn-Spacer" />;
}

export function ToolButton(props: {
  icon?: LabIcon;
  label: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  /** Show the label beside the icon. */
  wordy?: boolean;
  title?: string;
}): JSX.Element {
  const { icon: Icon } = props;
  return (
    <button
      type="button"
      className="mn-ToolButton"
      title={props.title ?? props.label}
      aria-label={props.wordy ? undefined : props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      {Icon && <Icon.react tag="span" className="mn-ToolButton-icon" />}
      {(props.wordy || !Icon) && <span>{props.label}</span>}
    </button>
  );
}

/** A command as a button: label, icon and whether it can be used come from the command. */
export function CommandButton(props: {
  id: string;
  args?: ReadonlyPartialJSONObject;
  wordy?: boolean;
  label?: string;
}): JSX.Element | null {
  const { commands } = usePanel();
  const args = props.args ?? {};
  const [, redraw] = useState(0);
  useEffect(() => {
    const changed = () => redraw(count => count + 1);
    commands.commandChanged.connect(changed);
    return () => {
      commands.commandChanged.disconnect(changed);
    };
  }, [commands]);
  if (!commands.hasCommand(props.id)) {
    return null;
  }
  return (
    <ToolButton
      icon={commands.icon(props.id, args) as LabIcon | undefined}
      label={props.label ?? commands.label(props.id, args)}
      title={commands.caption(props.id, args) || undefined}
      disabled={!commands.isEnabled(props.id, args)}
      wordy={props.wordy}
      onClick={() => void commands.execute(props.id, args)}
    />
  );
}

/** A search field that is cleared by Escape. */
export function Search(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  onEnter?: () => void;
}): JSX.Element {
  return (
    <input
      type="search"
      className="mn-Search"
      placeholder={props.label}
      aria-label={props.label}
      value={props.value}
      onChange={event => props.onChange(event.target.value)}
      onKeyDown={event => {
        if (event.key === 'Escape' && props.value) {
          event.stopPropagation();
          props.onChange('');
        } else if (event.key === 'Enter') {
          props.onEnter?.();
        }
      }}
    />
  );
}

/** Left and right walk the buttons, as in every toolbar. */
function walk(event: KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !(event.target instanceof HTMLButtonElement)) {
    return;
  }
  const buttons = [
    ...event.currentTarget.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')
  ];
  const at = buttons.indexOf(event.target);
  buttons[(at + step + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
}
