/** Alerts: what is wrong since when, who looks after it, and until when it is silent. */

import { useState } from 'react';
import type { Alert, Severity } from '../api';
import { useArg, usePanel, useProject, useTrans } from '../components/context';
import { askForm, attempt } from '../components/dialogs';
import { useServer } from '../components/server';
import { Announcer, Button, Loaded } from '../components/states';
import { Mark } from '../components/status';
import { body, got } from '../request';
import type { Trans } from '../tokens';
import { TextField } from './promoting';

export function severityMark(severity: Severity, text: string): JSX.Element {
  switch (severity) {
    case 'critical':
      return (
        <Mark glyph="failed" tone="bad">
          {text}
        </Mark>
      );
    case 'warning':
      return (
        <Mark glyph="warning" tone="warn">
          {text}
        </Mark>
      );
    default:
      return (
        <Mark
          glyph={severity === 'none' ? 'done' : 'unknown'}
          tone={severity === 'none' ? 'good' : 'busy'}
        >
          {text}
        </Mark>
      );
  }
}

export function severityText(severity: Severity, trans: Trans): string {
  switch (severity) {
    case 'critical':
      return trans.__('critical');
    case 'warning':
      return trans.__('warning');
    case 'info':
      return trans.__('note');
    default:
      return trans.__('none');
  }
}

/** The alerts of a model; those that are over on demand. */
export function Alerts(props: {
  model: string;
  /** The windows that are known, the oldest first: a snooze ends after them. */
  windows: readonly string[];
  onColumn: (column: string, window: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const [all, setAll] = useArg<boolean>('closed', false);
  const alerts = useServer(
    (project, signal) =>
      got(
        project.api.GET('/mlops-nb/v1/alerts', {
          params: { query: { project: project.path, model: props.model, active: !all } },
          signal
        })
      ),
    [props.model, all],
    { on: ['alerts.changed'], runs: true }
  );
  const [told, setTold] = useState('');
  return (
    <section aria-label={trans.__('Alerts')}>
      <h3>
        {trans.__('Alerts')}{' '}
        <label className="mn-Check">
          <input
            type="checkbox"
            checked={all}
            onChange={event => setAll(event.target.checked)}
          />
          {trans.__('with those that are over')}
        </label>
      </h3>
      <Announcer text={told} />
      <Loaded
        snapshot={alerts.snapshot}
        what={trans.__('Reading the alerts…')}
        onRetry={() => void alerts.refresh()}
      >
        {list =>
          list.alerts.length ? (
            <ul className="mn-Alerts">
              {list.alerts.map(alert => (
                <AlertRow
                  key={alert.id}
                  alert={alert}
                  windows={props.windows}
                  onColumn={props.onColumn}
                  onDone={text => {
                    setTold(text);
                    void alerts.refresh();
                  }}
                />
              ))}
            </ul>
          ) : (
            <p>
              <Mark glyph="done" tone="good">
                {trans.__('Nothing lasted long enough to bother anyone.')}
              </Mark>
            </p>
          )
        }
      </Loaded>
    </section>
  );
}

function AlertRow(props: {
  alert: Alert;
  windows: readonly string[];
  onColumn: (column: string, window: string) => void;
  onDone: (told: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const panel = usePanel();
  const project = useProject();
  const { alert } = props;
  const isColumn = alert.aspect === 'drift' || alert.aspect === 'schema';
  const isOver = alert.state === 'closed';

  const acknowledge = async () => {
    const reason = await askReason(trans.__('Acknowledge'), null);
    const done =
      reason &&
      (await attempt(trans, () =>
        got(
          project.api.POST('/mlops-nb/v1/alerts/acknowledge', {
            params: { query: { project: project.path } },
            body: body({ alert: alert.id, reason: reason.text })
          })
        )
      ));
    if (done) {
      props.onDone(trans.__('You look after %1.', alert.subject));
    }
  };
  const snooze = async () => {
    const asked = await askReason(trans.__('Snooze'), alert.last);
    const done =
      asked &&
      (await attempt(trans, () =>
        got(
          project.api.POST('/mlops-nb/v1/alerts/snooze', {
            params: { query: { project: project.path } },
            body: body({ alert: alert.id, reason: asked.text, until: asked.until })
          })
        )
      ));
    if (done) {
      props.onDone(trans.__('%1 is silent until %2.', alert.subject, done.snoozed_until));
    }
  };
  const askReason = (title: string, last: string | null) =>
    askForm(panel, {
      title: `${title}: ${alert.subject}`,
      accept: title,
      initial: { text: '', until: last ? following(last) : '' },
      valid: value => last === null || value.until > last,
      draw: (value, set) => (
        <>
          <p>
            {last === null
              ? trans.__(
                  'Your name stands beside it until it is over; it speaks again only where it gets worse.'
                )
              : trans.__('It is silent until a window that comes after %1.', last)}
          </p>
          {last !== null && (
            <TextField
              label={trans.__('The first window in which it speaks again')}
              value={value.until}
              onChange={until => set({ ...value, until })}
            />
          )}
          <TextField
            label={trans.__('Why')}
            value={value.text}
            onChange={text => set({ ...value, text })}
            long
          />
        </>
      )
    });

  return (
    <li className={isOver ? 'mn-mod-over' : undefined} data-state={alert.state}>
      <div className="mn-Alert-head">
        {severityMark(alert.severity, severityText(alert.severity, trans))}
        {isColumn && !isOver ? (
          <button
            type="button"
            className="mn-Link"
            title={trans.__('Show this column in %1', alert.last)}
            onClick={() => props.onColumn(alert.subject, alert.last)}
          >
            {alert.subject}
          </button>
        ) : (
          <strong>{alert.subject}</strong>
        )}
        <span className="mn-quiet">
          {aspectText(alert.aspect, trans)} ·{' '}
          {isOver
            ? trans.__('%1 to %2', alert.since, alert.closed)
            : trans._n(
                'since %2, %1 bad window',
                'since %2, %1 bad windows',
                alert.windows,
                alert.since
              )}
        </span>
      </div>
      <div className="mn-Alert-text">{alert.text}</div>
      <div className="mn-Alert-state">
        {alert.state === 'acknowledged' && (
          <Mark glyph="done" tone="busy" title={alert.reason || undefined}>
            {trans.__('%1 looks after it', alert.actor)}
          </Mark>
        )}
        {alert.state === 'snoozed' && (
          <Mark glyph="waiting" tone="calm" title={alert.reason || undefined}>
            {trans.__('silent until %1, by %2', alert.snoozed_until, alert.actor)}
          </Mark>
        )}
        {alert.reason && <span className="mn-quiet">{alert.reason}</span>}
        {!isOver && (
          <>
            {alert.state !== 'acknowledged' && (
              <Button onClick={() => void acknowledge()}>{trans.__('Acknowledge…')}</Button>
            )}
            <Button onClick={() => void snooze()}>{trans.__('Snooze…')}</Button>
          </>
        )}
      </div>
    </li>
  );
}

function aspectText(aspect: string, trans: Trans): string {
  switch (aspect) {
    case 'drift':
      return trans.__('column drifted');
    case 'schema':
      return trans.__('column broke its schema');
    case 'volume':
      return trans.__('number of rows');
    case 'performance':
      return trans.__('worse than when it was accepted');
    case 'concept':
      return trans.__('outcome no longer follows the inputs');
    default:
      return aspect;
  }
}

/** The month or day after a window's label, as a proposal; the label itself where it is neither. */
export function following(label: string): string {
  const found = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(label);
  if (!found) {
    return label;
  }
  const [, year, month, day] = found;
  const next = day
    ? new Date(Date.UTC(+year, +month - 1, +day + 1))
    : new Date(Date.UTC(+year, +month, 1));
  return next.toISOString().slice(0, day ? 10 : 7);
}
