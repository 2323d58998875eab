/** A version's gates one by one, as they count now, with what each answer rests on. */

import { useState } from 'react';
import type { Gates, GateState, JobView } from '../api';
import { useProject, useTrans } from '../components/context';
import { attempt } from '../components/dialogs';
import { duration } from '../components/format';
import { Announcer, Button } from '../components/states';
import { Mark } from '../components/status';
import { ended } from '../model/job';
import { against } from '../model/models';
import { body, got } from '../request';
import { Evidence } from './evidence';

export function GateList(props: {
  gates: Gates;
  /** Whether the version holds the alias: its gates were answered against who held it before. */
  holds: boolean;
  onChecked: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { gates, alias, ready } = props.gates;
  const [busy, setBusy] = useState('');
  const [told, setTold] = useState('');
  const check = useCheck(props.gates, setBusy);
  const run = async (only: readonly string[]) => {
    const done = await check(only);
    if (done) {
      const left = against(done.gates?.gates ?? []).length;
      setTold(
        left
          ? trans._n('%1 gate stands against it.', '%1 gates stand against it.', left)
          : trans.__('Every gate passed.')
      );
      props.onChecked();
    }
  };
  if (!gates.length) {
    return (
      <p className="mn-quiet">
        {trans.__(
          'The project has no gates for %1: name some below [tool.mlops-nb.gates.checks] in pyproject.toml.',
          alias
        )}
      </p>
    );
  }
  const obstacles = against(gates).length;
  return (
    <>
      <div className="mn-GateHead">
        {props.holds ? (
          <span className="mn-quiet">
            {trans.__('It holds %1; these are the answers it was given.', alias)}
          </span>
        ) : ready ? (
          <Mark glyph="done" tone="good">
            {trans.__('Every gate passed: it can be promoted to %1.', alias)}
          </Mark>
        ) : (
          <Mark glyph="blocked" tone="warn">
            {trans.__('%1 of %2 stand against %3.', obstacles, gates.length, alias)}
          </Mark>
        )}
        <Button onClick={() => void run([])} disabled={busy !== ''}>
          {busy ? trans.__('Asking…') : trans.__('Ask All Gates')}
        </Button>
        {busy && <span className="mn-Spinner" aria-hidden="true" />}
      </div>
      <Announcer text={busy ? trans.__('The gates are asked.') : told} />
      <ul className="mn-Gates">
        {gates.map(gate => (
          <Gate
            key={gate.gate}
            gate={gate}
            holds={props.holds}
            busy={busy === '*' || busy === gate.gate}
            onAsk={() => void run([gate.gate])}
          />
        ))}
      </ul>
    </>
  );
}

/** Asks gates, and waits for their answers. */
function useCheck(
  gates: Gates,
  setBusy: (busy: string) => void
): (only: readonly string[]) => Promise<JobView | undefined> {
  const trans = useTrans();
  const project = useProject();
  return async only => {
    setBusy(only[0] ?? '*');
    try {
      return await attempt(trans, async () => {
        const job = await got(
          project.api.POST('/mlops-nb/v1/models/{model}/versions/{version}/check', {
            params: {
              path: { model: gates.model, version: String(gates.version) },
              query: { project: project.path }
            },
            body: body({ only: [...only], alias: gates.alias })
          })
        );
        return ended(project, job);
      });
    } finally {
      setBusy('');
    }
  };
}

function Gate(props: {
  gate: GateState;
  holds: boolean;
  busy: boolean;
  onAsk: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { gate } = props;
  const { result } = gate;
  const passed = props.holds ? (result?.passed ?? false) : gate.ok;
  const isOpen = !passed && result === null;
  const text = props.holds && result ? result.reason : gate.text;
  const facts = result && [
    result.champion ? trans.__('against v%1', result.champion) : '',
    result.seconds >= 0.05 ? trans.__('took %1', duration(result.seconds)) : '',
    result.origin ? trans.__('answered in %1: does not count here', result.origin) : '',
    result.seq ? trans.__('row %1 of the ledger', result.seq) : ''
  ];
  return (
    <li>
      <details>
        <summary>
          <Mark
            glyph={
              isOpen ? 'waiting' : passed ? 'done' : result?.passed ? 'stale' : 'failed'
            }
            tone={isOpen ? 'calm' : passed ? 'good' : result?.passed ? 'warn' : 'bad'}
          >
            <strong>{gate.gate}</strong>
          </Mark>
          <span className="mn-quiet">{gate.kind}</span>
          <span className="mn-Gates-text">{text}</span>
        </summary>
        <div className="mn-Gates-body">
          {result ? (
            <>
              {text !== result.reason && <p>{result.reason}</p>}
              <Evidence result={result} />
              <p className="mn-quiet">{facts?.filter(Boolean).join(' · ')}</p>
            </>
          ) : (
            <p className="mn-quiet">{trans.__('It was never asked about this version.')}</p>
          )}
          <Button onClick={props.onAsk} disabled={props.busy}>
            {trans.__('Ask This Gate')}
          </Button>
        </div>
      </details>
    </li>
  );
}
