/** The form of a schedule, new or changed: the next times appear as the time is typed. */

import { closeIcon } from '@jupyterlab/ui-components';
import { useEffect, useMemo, type FormEvent, type ReactNode } from 'react';
import type { PipelineView, Schedule } from '../api';
import { Choice, type Choices } from '../components/choice';
import { useNow } from '../components/clock';
import { useProject, useSnapshot, useTrans } from '../components/context';
import { usePipeline } from '../components/frame';
import { Labelled } from '../components/labelled';
import { Button, mending } from '../components/states';
import { Mark } from '../components/status';
import { Spacer, ToolButton } from '../components/toolbar';
import { notebooksOf, parametersOf, ScheduleDraft, type Scope } from '../model/draft';
import { grouped } from '../model/form';
import { knownZones, until, zoned } from '../model/timetable';
import type { ApiError } from '../request';
import type { Trans } from '../tokens';
import { ParameterField } from './parameters';
import { Policies } from './schedulepolicies';

const EXAMPLES = ['every weekday at 6', 'every 15 minutes', '0 6 * * mon-fri'];

/** More parameters than these are folded, so that what follows is seen. */
const FEW = 6;

export function ScheduleForm(props: {
  /** The notebook it was opened for; empty for the whole pipeline. */
  notebook: string;
  /** The one that is changed; `null` for a new one. */
  old: Schedule | null;
  onClose: () => void;
  onSaved: (name: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const draft = useMemo(
    () => new ScheduleDraft(project, props.notebook, props.old),
    // What another client changes meanwhile must not wipe what is being typed.
    [project, props.notebook, props.old?.name]
  );
  const state = useSnapshot(draft);
  useEffect(() => () => draft.dispose(), [draft]);
  const pipeline = usePipeline();
  const { fields } = state;
  const parameters = pipeline ? parametersOf(pipeline, fields, props.old?.tasks) : [];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!draft.isReady) {
      return;
    }
    const saved = await draft.save(parameters);
    if (saved) {
      props.onSaved(saved.schedule.name);
    }
  };
  const title = props.old
    ? trans.__('Change %1', props.old.name)
    : trans.__('New schedule');
  return (
    <aside className="mn-Details" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <Spacer />
        <ToolButton icon={closeIcon} label={trans.__('Close')} onClick={props.onClose} />
      </header>
      <form onSubmit={event => void submit(event)}>
        {!props.old && (
          <Labelled label={trans.__('Name')}>
            {id => (
              <input
                id={id}
                className="mn-Input"
                value={fields.name}
                placeholder="nightly"
                spellCheck={false}
                autoFocus
                onChange={event => draft.type({ name: event.target.value })}
              />
            )}
          </Labelled>
        )}
        <Labelled label={trans.__('When')}>
          {id => (
            <input
              id={id}
              className="mn-Input"
              value={fields.when}
              placeholder={EXAMPLES[0]}
              spellCheck={false}
              autoFocus={props.old !== null}
              aria-invalid={state.wrong !== null || undefined}
              onChange={event => draft.type({ when: event.target.value })}
            />
          )}
        </Labelled>
        <Times draft={draft} />
        <Labelled label={trans.__('Time zone')}>
          {id => (
            <>
              <input
                id={id}
                className="mn-Input"
                list={`${id}-zones`}
                value={fields.timezone}
                spellCheck={false}
                onChange={event => draft.type({ timezone: event.target.value })}
              />
              <datalist id={`${id}-zones`}>
                {knownZones().map(zone => (
                  <option key={zone} value={zone} />
                ))}
              </datalist>
            </>
          )}
        </Labelled>
        <What draft={draft} pipeline={pipeline} />
        {parameters.length > 0 && (
          <details
            className="mn-Reasons"
            open={parameters.length <= FEW || props.old !== null || state.refused !== null}
          >
            <summary>{trans.__('Parameters')}</summary>
            <p className="mn-Field-help">
              {trans.__('Texts may hold the time it is due:')}{' '}
              <code>{'{{ scheduled_at | date }}'}</code>
            </p>
            {grouped(parameters).map(([tasks, some]) => (
              <fieldset key={tasks} className="mn-Fields">
                <legend>{tasks}</legend>
                {some.map(one => (
                  <ParameterField
                    key={one.name}
                    parameter={one}
                    typed={fields.parameters}
                    error={state.refused}
                    set={value => draft.set(one, value)}
                    reset={() => draft.set(one, undefined)}
                  />
                ))}
              </fieldset>
            ))}
          </details>
        )}
        <Policies draft={draft} />
        <footer>
          {state.refused && <Wrong error={state.refused} />}
          <div className="mn-Details-actions">
            <Button primary submit disabled={!draft.isReady}>
              {props.old ? trans.__('Save') : trans.__('Add')}
            </Button>
            <Button onClick={props.onClose}>{trans.__('Cancel')}</Button>
          </div>
        </footer>
      </form>
    </aside>
  );
}

/** When it would be due, told also to who does not see it. */
function Times(props: { draft: ScheduleDraft }): JSX.Element {
  const trans = useTrans();
  const now = useNow(30);
  const { draft } = props;
  const { times, asking, wrong, fields } = useSnapshot(draft);
  let content: ReactNode;
  if (wrong) {
    content = <Wrong error={wrong} />;
  } else if (times) {
    content = (
      <>
        <Mark glyph="done" tone="good">
          {times.words}
        </Mark>
        {times.times.length ? (
          <ol className="mn-Times">
            {times.times.map(one => (
              <li key={one.at} title={one.local}>
                {zoned(one.at, times.timezone ?? 'UTC')}{' '}
                <span className="mn-quiet">{until(one.at, now)}</span>
              </li>
            ))}
          </ol>
        ) : (
          <p className="mn-quiet">{trans.__('It would never be due.')}</p>
        )}
      </>
    );
  } else if (asking) {
    content = trans.__('Working out the next times…');
  } else if (!fields.when) {
    content = (
      <span className="mn-Field-help">
        {trans.__('Words or a cron expression:')}{' '}
        {EXAMPLES.map(example => (
          <button
            key={example}
            type="button"
            className="mn-Link"
            onClick={() => draft.type({ when: example })}
          >
            {example}
          </button>
        ))}
      </span>
    );
  }
  return (
    <div className="mn-Preview" role="status" aria-live="polite">
      {content}
    </div>
  );
}

function What(props: { draft: ScheduleDraft; pipeline: PipelineView | null }): JSX.Element {
  const trans = useTrans();
  const { draft, pipeline } = props;
  const { fields } = useSnapshot(draft);
  const scopes: Choices<Scope> = [
    ['pipeline', trans.__('the whole pipeline')],
    ['task', trans.__('a task, with what it needs')],
    ...otherScopes(draft.old, trans)
  ];
  return (
    <>
      <Choice
        label={trans.__('What it runs')}
        value={fields.scope}
        choices={scopes}
        onChange={scope => draft.type({ scope })}
      />
      {fields.scope === 'task' && (
        <Choice
          label={trans.__('Task')}
          value={fields.task}
          choices={named(fields.task, pipeline?.tasks.map(task => task.name) ?? [], trans)}
          onChange={task => draft.type({ task })}
        />
      )}
      {fields.scope === 'notebook' && (
        <Choice
          label={trans.__('Notebook')}
          value={fields.notebook}
          choices={named(fields.notebook, pipeline ? notebooksOf(pipeline) : [], trans)}
          onChange={notebook => draft.type({ notebook })}
        />
      )}
    </>
  );
}

/** A new schedule may name a notebook; an old one may run several tasks, and keeps to them. */
function otherScopes(old: Schedule | null, trans: Trans): Choices<Scope> {
  if (!old) {
    return [['notebook', trans.__('a notebook, with what it needs')]];
  }
  return old.tasks.length > 1 ? [['tasks', old.tasks.join(', ')]] : [];
}

/** Names to choose from; one that is set and no longer there stays among them. */
function named(value: string, names: readonly string[], trans: Trans): Choices<string> {
  const gone = value && !names.includes(value) ? [value] : [];
  return [
    ['', trans.__('Choose…')],
    ...[...gone, ...names].map(name => [name, name] as const)
  ];
}

function Wrong(props: { error: ApiError }): JSX.Element {
  const trans = useTrans();
  const { error } = props;
  return (
    <div role="alert">
      <Mark glyph="failed" tone="bad">
        {[error.where, error.message].filter(Boolean).join(': ')}
        {error.fix && <span className="mn-quiet mn-Fix">{mending(error, trans)}</span>}
      </Mark>
    </div>
  );
}
