/** What to do about a monitored model, with a way to do it here. */

import { useRef } from 'react';
import type { MonitorStatus } from '../api';
import { useArg, usePanel, useTrans } from '../components/context';
import { Button } from '../components/states';
import { CommandIDs } from '../tokens';

export function Advice(props: { status: MonitorStatus }): JSX.Element | null {
  const trans = useTrans();
  const { commands } = usePanel();
  const [open, setOpen] = useArg<boolean>('advice', true);
  const { advice, alerts } = props.status;
  const isWorse = alerts.some(
    one => one.aspect === 'performance' || one.aspect === 'concept'
  );
  const isWaiting = alerts.some(one => one.state === 'open');
  const box = useRef<HTMLDetailsElement>(null);
  // The first one that waits for somebody gets the focus, on its "Acknowledge…".
  const goToAlerts = () =>
    box.current
      ?.closest('.mn-Page')
      ?.querySelector<HTMLElement>("[data-state='open'] .mn-Alert-state button")
      ?.focus();
  const retrain = () =>
    void commands.execute(CommandIDs.openPipeline, { side: 'parameters', task: '' });
  return advice.length ? (
    <details
      ref={box}
      className="mn-Advice"
      open={open}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('What to do')}</summary>
      <ul>
        {advice.map(text => (
          <li key={text}>{text}</li>
        ))}
      </ul>
      {(isWorse || isWaiting) && (
        <div className="mn-Details-actions">
          {isWorse && (
            <Button onClick={retrain}>{trans.__('Retrain with other parameters…')}</Button>
          )}
          {isWaiting && (
            <Button onClick={goToAlerts}>{trans.__('Go to the alerts')}</Button>
          )}
        </div>
      )}
    </details>
  ) : null;
}
