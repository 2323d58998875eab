/** What a schedule does when things go otherwise: late, too long, failed, or changed meanwhile. */

import { Choice, type Choices } from '../components/choice';
import { useSnapshot, useTrans } from '../components/context';
import { Labelled } from '../components/labelled';
import type { IPolicies, ScheduleDraft } from '../model/draft';
import type { Trans } from '../tokens';

export function Policies(props: { draft: ScheduleDraft }): JSX.Element {
  const trans = useTrans();
  const { draft } = props;
  const { policies } = useSnapshot(draft).fields;
  const set = (change: Partial<IPolicies>) =>
    draft.type({ policies: { ...policies, ...change } });
  return (
    <details className="mn-Reasons">
      <summary>{trans.__('When things go otherwise')}</summary>
      <div className="mn-Fields">
        <Choice
          label={trans.__('Times that were missed')}
          value={policies.missed}
          choices={missedChoices(trans, policies.missed)}
          onChange={missed => set({ missed })}
        />
        <Choice
          label={trans.__('If the one before still runs')}
          value={policies.overlap}
          choices={overlapChoices(trans)}
          disabled={policies.source === 'latest' ? ['allow'] : []}
          help={
            policies.source === 'latest'
              ? trans.__(
                  'To run both, choose other sources below: runs of the latest ones would share their products.'
                )
              : undefined
          }
          onChange={overlap => set({ overlap })}
        />
        <Choice
          label={trans.__('Which sources')}
          value={policies.source}
          choices={sourceChoices(trans)}
          disabled={policies.overlap === 'allow' ? ['latest'] : []}
          help={
            policies.overlap === 'allow'
              ? trans.__('Runs at once each need sources of their own.')
              : undefined
          }
          onChange={source => set({ source })}
        />
        <Count
          label={trans.__('Further attempts after a failure')}
          value={policies.retries}
          most={1000}
          onChange={retries => set({ retries: retries ?? 0 })}
        />
        <Count
          label={trans.__('Seconds an attempt may take')}
          value={policies.timeout}
          least={1}
          placeholder={trans.__('any time')}
          onChange={timeout => set({ timeout })}
        />
      </div>
    </details>
  );
}

function missedChoices(
  trans: Trans,
  now: IPolicies['missed']
): Choices<IPolicies['missed']> {
  const usual: Choices<IPolicies['missed']> = [
    ['once', trans.__('run the newest one')],
    ['all', trans.__('run them all')],
    ['skip', trans.__('leave them out')]
  ];
  return typeof now === 'number'
    ? [...usual, [now, trans.__('run the newest %1', now)]]
    : usual;
}

function overlapChoices(trans: Trans): Choices<IPolicies['overlap']> {
  return [
    ['skip', trans.__('leave this one out')],
    ['queue', trans.__('wait for its end')],
    ['cancel', trans.__('end it and start this one')],
    ['allow', trans.__('run both')]
  ];
}

function sourceChoices(trans: Trans): Choices<IPolicies['source']> {
  return [
    ['latest', trans.__('as they are when a task starts')],
    ['snapshot', trans.__('as they are when the run starts')],
    ['commit', trans.__('of the last Git commit')]
  ];
}

function Count(props: {
  label: string;
  value: number | null;
  least?: number;
  most?: number;
  placeholder?: string;
  onChange: (value: number | null) => void;
}): JSX.Element {
  return (
    <Labelled label={props.label}>
      {id => (
        <input
          id={id}
          className="mn-Input"
          type="number"
          min={props.least ?? 0}
          max={props.most}
          step={1}
          value={props.value ?? ''}
          placeholder={props.placeholder ?? '0'}
          onChange={event => {
            const typed = event.target.valueAsNumber;
            props.onChange(Number.isNaN(typed) ? null : typed);
          }}
        />
      )}
    </Labelled>
  );
}
