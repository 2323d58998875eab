/** What changes a model: approve, reject, promote, roll back; each asks first and says what came of it. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { GateState, Gates, ModelSummary, Promotion } from '../api';
import { askForm, attempt } from '../components/dialogs';
import { useTrans, type IPanel } from '../components/context';
import { Mark } from '../components/status';
import { against, holder } from '../model/models';
import type { ProjectModel } from '../model/panel';
import { asApiError } from '../model/resource';
import { body, got } from '../request';
import type { Trans } from '../tokens';

/** Which version, on which project. */
export interface ISubject {
  readonly project: ProjectModel;
  readonly model: string;
  readonly version: number;
}

const ROUTE = '/mlops-nb/v1/models/{model}/versions/{version}';

function paramsOf(subject: ISubject) {
  return {
    path: { model: subject.model, version: String(subject.version) },
    query: { project: subject.project.path }
  };
}

interface IWords {
  comment: string;
  role: string;
}

/** Ask for a comment, and record that a person approves or rejects; returns whether it was recorded. */
export async function judge(
  panel: IPanel,
  subject: ISubject,
  approves: boolean
): Promise<boolean> {
  const { trans } = panel;
  const name = `${subject.model} v${subject.version}`;
  const said = await askForm<IWords>(panel, {
    title: approves ? trans.__('Approve %1', name) : trans.__('Reject %1', name),
    accept: approves ? trans.__('Approve') : trans.__('Reject'),
    danger: !approves,
    initial: { comment: '', role: '' },
    valid: words => approves || words.comment.trim() !== '',
    draw: (words, set) => (
      <>
        <p>
          {approves
            ? trans.__('Your approval is kept in the ledger, with your name.')
            : trans.__(
                'Earlier approvals no longer count, and it is promoted by force only.'
              )}
        </p>
        {approves && (
          <TextField
            label={trans.__('As (a role, if the project asks for one)')}
            value={words.role}
            onChange={role => set({ ...words, role })}
          />
        )}
        <TextField
          label={approves ? trans.__('Comment') : trans.__('Why (needed)')}
          value={words.comment}
          onChange={comment => set({ ...words, comment })}
          long
        />
      </>
    )
  });
  if (!said) {
    return false;
  }
  const params = paramsOf(subject);
  const { api } = subject.project;
  const done = await attempt(
    trans,
    () =>
      approves
        ? got(api.POST(`${ROUTE}/approve`, { params, body: body(said) }))
        : got(api.POST(`${ROUTE}/reject`, { params, body: { comment: said.comment } })),
    () => (approves ? trans.__('%1 is approved.', name) : trans.__('%1 is rejected.', name))
  );
  return done !== undefined;
}

/** Ask, then give an alias to a version; against its gates only with a reason. */
export async function promote(
  panel: IPanel,
  subject: ISubject,
  alias: string,
  summary: ModelSummary | null,
  isRejected: boolean
): Promise<boolean> {
  const { trans } = panel;
  const { api } = subject.project;
  const params = paramsOf(subject);
  const found = await attempt(trans, () =>
    got(
      api.GET(`${ROUTE}/gates`, {
        params: { ...params, query: { ...params.query, alias } }
      })
    )
  );
  if (!found) {
    return false;
  }
  const expected = holder(summary, alias);
  const obstacles = against(found.gates);
  const force = obstacles.length > 0 || isRejected;
  const said = await askForm<IWords>(panel, {
    title: force
      ? trans.__('Promote v%1 against its gates', subject.version)
      : trans.__('Promote v%1 to %2', subject.version, alias),
    accept: force ? trans.__('Promote by Force') : trans.__('Promote'),
    danger: force,
    initial: { comment: '', role: '' },
    valid: words => !force || words.comment.trim() !== '',
    draw: (words, set) => (
      <>
        <p>
          {expected
            ? trans.__(
                '%1 v%2 takes %3 over from v%4.',
                subject.model,
                subject.version,
                alias,
                expected
              )
            : trans.__('%1 v%2 becomes %3.', subject.model, subject.version, alias)}
        </p>
        {isRejected && (
          <p>
            <Mark glyph="failed" tone="bad">
              {trans.__('It was rejected.')}
            </Mark>
          </p>
        )}
        <GateVerdict gates={found} />
        {force && (
          <p className="mn-Danger" role="alert">
            {trans.__(
              'A forced promotion is marked as such for ever, with your name and the reason.'
            )}
          </p>
        )}
        <TextField
          label={force ? trans.__('Why in spite of them (needed)') : trans.__('Why')}
          value={words.comment}
          onChange={comment => set({ ...words, comment })}
          long
        />
      </>
    )
  });
  if (!said) {
    return false;
  }
  return move(trans, () =>
    got(
      api.POST(`${ROUTE}/promote`, {
        params,
        body: { alias, expected, reason: said.comment, force }
      })
    )
  );
}

/** Ask, then give an alias back to the last approved version that held it. */
export async function rollback(
  panel: IPanel,
  project: ProjectModel,
  summary: ModelSummary,
  before: number,
  alias = 'champion'
): Promise<boolean> {
  const { trans } = panel;
  const expected = holder(summary, alias);
  const said = await askForm<IWords>(panel, {
    title: trans.__('Roll back %1', summary.model),
    accept: trans.__('Roll Back'),
    danger: true,
    initial: { comment: '', role: '' },
    draw: (words, set) => (
      <>
        <p>
          {trans.__(
            'v%1 gives %2 back to the last approved version that held it.',
            expected,
            alias
          )}
        </p>
        {before > 0 && <p>{trans.__('Before it, v%1 held it.', before)}</p>}
        <TextField
          label={trans.__('Why')}
          value={words.comment}
          onChange={comment => set({ ...words, comment })}
          long
        />
      </>
    )
  });
  if (!said) {
    return false;
  }
  return move(trans, () =>
    got(
      project.api.POST('/mlops-nb/v1/models/{model}/rollback', {
        params: { path: { model: summary.model }, query: { project: project.path } },
        body: { alias, expected, reason: said.comment }
      })
    )
  );
}

/** Move an alias; where someone else was first, say who, in a dialog that has to be read. */
async function move(trans: Trans, work: () => Promise<Promotion>): Promise<boolean> {
  let moved: Promotion;
  try {
    moved = await work();
  } catch (thrown) {
    const error = asApiError(thrown);
    if (error.origin !== 'ConflictError') {
      await attempt(trans, () => Promise.reject(error));
      return false;
    }
    await showDialog({
      title: trans.__('Someone else was first'),
      body: [error.message, error.fix && trans.__('To mend it: %1', error.fix)]
        .filter(Boolean)
        .join('. '),
      buttons: [Dialog.okButton({ label: trans.__('Show How It Stands Now') })]
    });
    return true; // nothing was done, but what is shown is old
  }
  const { alias, version, previous } = moved;
  Notification.success(
    previous
      ? trans.__('%1 is now v%2; before, it was v%3.', alias, version, previous)
      : trans.__('%1 is now v%2.', alias, version),
    { autoClose: 6000 }
  );
  if (!moved.mirrored) {
    Notification.warning(
      trans.__(
        'MLflow does not show it yet: %1. The next command catches up.',
        moved.mirror_error
      ),
      { autoClose: false }
    );
  }
  return true;
}

function GateVerdict(props: { gates: Gates }): JSX.Element {
  const trans = useTrans();
  const { gates } = props.gates;
  const obstacles = against(gates);
  if (!gates.length) {
    return <p className="mn-quiet">{trans.__('No gate guards this alias.')}</p>;
  }
  if (!obstacles.length) {
    return (
      <p>
        <Mark glyph="done" tone="good">
          {trans._n(
            'The gate passed for this artifact and this champion.',
            'All %1 gates passed for this artifact and this champion.',
            gates.length
          )}
        </Mark>
      </p>
    );
  }
  return (
    <ul className="mn-Obstacles">
      {obstacles.map((gate: GateState) => (
        <li key={gate.gate}>
          <Mark glyph="failed" tone="bad">
            <strong>{gate.gate}</strong> {gate.text}
          </Mark>
        </li>
      ))}
    </ul>
  );
}

export function TextField(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  long?: boolean;
  help?: string;
  placeholder?: string;
}): JSX.Element {
  return (
    <label className="mn-TextField">
      <span>{props.label}</span>
      {props.long ? (
        <textarea
          className="mn-Input jp-mod-styled"
          rows={3}
          value={props.value}
          onChange={event => props.onChange(event.target.value)}
        />
      ) : (
        <input
          className="mn-Input jp-mod-styled"
          value={props.value}
          placeholder={props.placeholder}
          spellCheck={false}
          onChange={event => props.onChange(event.target.value)}
        />
      )}
      {props.help && <span className="mn-Field-help">{props.help}</span>}
    </label>
  );
}
