/** What stands in a view's place while it has nothing to show: each state says what to do. */

import { useEffect, useState, type ReactNode } from 'react';
import type { ISnapshot } from '../model/resource';
import type { ApiError } from '../request';
import type { Trans } from '../tokens';
import { useTrans } from './context';
import { Glyph, type GlyphName } from './icons';

/** How to mend an error; a question, or what is known instead, stands for itself. Empty where the server knows no way. */
export function mending(error: ApiError, trans: Trans): string {
  const { fix } = error;
  return /^(did you mean|known: )/i.test(fix)
    ? fix[0].toUpperCase() + fix.slice(1)
    : fix && trans.__('To mend it: %1', fix);
}

/** A notice in the middle of a view. */
export function Notice(props: {
  glyph?: GlyphName;
  tone?: string;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  role?: 'status' | 'alert';
}): JSX.Element {
  return (
    <div className={`mn-Notice mn-tone-${props.tone ?? 'calm'}`} role={props.role}>
      {props.glyph && <Glyph name={props.glyph} className="mn-Notice-glyph" />}
      <div className="mn-Notice-title">{props.title}</div>
      {props.children && <div className="mn-Notice-text">{props.children}</div>}
      {props.actions && <div className="mn-Notice-actions">{props.actions}</div>}
    </div>
  );
}

/** Loading; shown only after a moment, so that quick answers do not flicker. */
export function Loading(props: { what: string }): JSX.Element | null {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 250);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="mn-Loading" role="status" aria-live="polite">
      {shown && (
        <>
          <span className="mn-Spinner" aria-hidden="true" />
          {props.what}
        </>
      )}
    </div>
  );
}

/** What is wrong, where, and how to mend it. */
export function Failure(props: { error: ApiError; onRetry?: () => void }): JSX.Element {
  const trans = useTrans();
  const { error } = props;
  const retry = props.onRetry && (
    <Button onClick={props.onRetry}>{trans.__('Try again')}</Button>
  );
  switch (error.kind) {
    case 'no-server':
      return (
        <Notice
          role="alert"
          glyph="warning"
          tone="warn"
          title={trans.__('The server part of mlops-nb is not enabled')}
          actions={retry}
        >
          <p>{trans.__('Enable it where JupyterLab runs, then restart JupyterLab:')}</p>
          <pre>jupyter server extension enable mlops_nb.server</pre>
        </Notice>
      );
    case 'offline':
      return (
        <Notice
          role="alert"
          glyph="warning"
          tone="warn"
          title={trans.__('The Jupyter server does not answer')}
          actions={retry}
        >
          {trans.__(
            'This view goes on by itself when the server is back. Runs go on without it.'
          )}
        </Notice>
      );
    case 'refused':
      return (
        <Notice
          role="alert"
          glyph="blocked"
          tone="bad"
          title={trans.__('The Jupyter server refused this request')}
          actions={retry}
        >
          {trans.__('Log in again by reloading the page, or ask for the right to do this.')}
        </Notice>
      );
    default:
      return (
        <Notice
          role="alert"
          glyph="failed"
          tone="bad"
          title={error.kind === 'broken' ? trans.__('Something broke') : error.message}
          actions={retry}
        >
          {error.kind === 'broken' && <p>{error.message}</p>}
          {error.where && <p className="mn-mono">{error.where}</p>}
          {error.fix && <p>{mending(error, trans)}</p>}
        </Notice>
      );
  }
}

/** A failure above what was loaded before: the old stays readable. */
export function StaleBanner(props: { error: ApiError; onRetry: () => void }): JSX.Element {
  const trans = useTrans();
  const { error } = props;
  const text =
    error.kind === 'offline'
      ? trans.__('The Jupyter server does not answer; this is how things stood before.')
      : [error.where, error.message].filter(Boolean).join(': ');
  return (
    <div className="mn-Banner mn-tone-warn" role="alert">
      <Glyph name="warning" />
      <span>
        {text}
        {error.fix && `. ${mending(error, trans)}`}
      </span>
      <Button onClick={props.onRetry}>{trans.__('Try again')}</Button>
    </div>
  );
}

/** Shows a value in each of its states; `children` draws it once it is there. */
export function Loaded<T>(props: {
  snapshot: ISnapshot<T>;
  what: string;
  onRetry: () => void;
  children: (value: T) => ReactNode;
}): JSX.Element {
  const { value, error } = props.snapshot;
  if (value === null) {
    return error ? (
      <Failure error={error} onRetry={props.onRetry} />
    ) : (
      <Loading what={props.what} />
    );
  }
  return (
    <>
      {error && <StaleBanner error={error} onRetry={props.onRetry} />}
      {props.children(value)}
    </>
  );
}

export interface IButtonProps {
  onClick?: () => void;
  /** Sends the form that it stands in. */
  submit?: boolean;
  children: ReactNode;
  primary?: boolean;
  danger?: boolean;
  disabled?: boolean;
  title?: string;
}

/** A button in JupyterLab's style. */
export function Button(props: IButtonProps): JSX.Element {
  const kind = props.danger
    ? 'jp-mod-warn'
    : props.primary
      ? 'jp-mod-accept'
      : 'jp-mod-reject';
  return (
    <button
      type={props.submit ? 'submit' : 'button'}
      className={`mn-Button jp-mod-styled ${kind}`}
      onClick={props.onClick}
      disabled={props.disabled}
      title={props.title}
    >
      {props.children}
    </button>
  );
}

/** Tells a screen reader what happened, once. */
export function Announcer(props: { text: string }): JSX.Element {
  return (
    <div className="mn-hidden" role="status" aria-live="polite">
      {props.text}
    </div>
  );
}
