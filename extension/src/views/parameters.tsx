/** The parameter form, made from what the notebooks declare; the graph shows what it would do. */

import { closeIcon, undoIcon } from '@jupyterlab/ui-components';
import { useId } from 'react';
import type { ParameterView, PipelineView } from '../api';
import { usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { duration, literal, shortName } from '../components/format';
import { Button, mending } from '../components/states';
import { Mark } from '../components/status';
import { Spacer, ToolButton } from '../components/toolbar';
import { grouped } from '../model/form';
import type { ApiError } from '../request';
import { CommandIDs } from '../tokens';

export function Parameters(props: {
  pipeline: PipelineView;
  onClose: () => void;
}): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const state = useSnapshot(project.form);
  useSnapshot(project.feed);
  const changed = Object.keys(state.typed).length;
  const { parameters } = props.pipeline;
  return (
    <aside className="mn-Details" aria-label={trans.__('Parameters of the next run')}>
      <header>
        <h2>{trans.__('Parameters')}</h2>
        <Spacer />
        <ToolButton icon={closeIcon} label={trans.__('Close')} onClick={props.onClose} />
      </header>
      {!parameters.length && (
        <p className="mn-quiet">
          {trans.__(
            'No notebook declares any: assign them in a cell, right click it and choose “Mark as Parameters”.'
          )}
        </p>
      )}
      {grouped(parameters).map(([tasks, fields]) => (
        <fieldset key={tasks} className="mn-Fields">
          <legend>{tasks}</legend>
          {fields.map(one => (
            <Field key={one.name} parameter={one} />
          ))}
        </fieldset>
      ))}
      {parameters.length > 0 && (
        <footer>
          <Preview />
          <div className="mn-Details-actions">
            <Button
              primary
              disabled={
                state.planning ||
                state.error !== null ||
                !commands.isEnabled(CommandIDs.runAll, {})
              }
              onClick={() => void commands.execute(CommandIDs.runWith)}
            >
              {changed ? trans.__('Run with these') : trans.__('Run')}
            </Button>
            <Button disabled={!changed} onClick={() => project.form.reset()}>
              {trans.__('Reset')}
            </Button>
          </div>
        </footer>
      )}
    </aside>
  );
}

/** What a run with the form's values would do. */
function Preview(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const { typed, plan, planning, error } = useSnapshot(project.form);
  let content: JSX.Element | string = '';
  if (error) {
    content = (
      <Mark glyph="failed" tone="bad">
        {[error.where, error.message].filter(Boolean).join(': ')}
        {error.fix && <span className="mn-quiet mn-Fix">{mending(error, trans)}</span>}
      </Mark>
    );
  } else if (planning) {
    content = trans.__('Working out what would run…');
  } else if (plan?.is_noop) {
    content = trans.__('Everything would stay as it is.');
  } else if (plan) {
    content = trans._n('%1 task would run', '%1 tasks would run', plan.counts.run ?? 0);
    if (plan.expected_seconds !== null) {
      content += `, ${trans.__('about %1', duration(plan.expected_seconds))}`;
    }
  } else if (!Object.keys(typed).length) {
    content = trans.__('Change a value to see what it would do.');
  }
  return (
    <div className="mn-Preview" role="status" aria-live="polite">
      {content}
    </div>
  );
}

function Field(props: { parameter: ParameterView }): JSX.Element {
  const project = useProject();
  const { typed, error } = useSnapshot(project.form);
  const { parameter } = props;
  return (
    <ParameterField
      parameter={parameter}
      typed={typed}
      error={error}
      set={value => project.form.type(parameter, value)}
      reset={() => project.form.reset(parameter.name)}
    />
  );
}

/** One parameter with its input, its help, and a way back to the notebook's own value. */
export function ParameterField(props: {
  parameter: ParameterView;
  /** What was typed, by name. */
  typed: Readonly<Record<string, unknown>>;
  error: ApiError | null;
  set: (value: unknown) => void;
  reset: () => void;
}): JSX.Element {
  const trans = useTrans();
  const id = useId();
  const { parameter, typed, error, set } = props;
  const isChanged = parameter.name in typed;
  const value = isChanged ? typed[parameter.name] : parameter.value;
  const isWrong = error !== null && isChanged && error.message.includes(parameter.name);
  const common = {
    id,
    'aria-invalid': isWrong || undefined,
    'aria-describedby': parameter.help ? `${id}-help` : undefined
  };
  return (
    <div className={`mn-Field ${isChanged ? 'mn-mod-changed' : ''}`}>
      <label htmlFor={id}>
        {shortName(parameter.name, parameter.tasks)}{' '}
        <span className="mn-quiet">{parameter.type}</span>
      </label>
      <div className="mn-Field-row">
        <Control
          parameter={parameter}
          value={value}
          isTyped={isChanged}
          set={set}
          {...common}
        />
        {isChanged && (
          <ToolButton
            icon={undoIcon}
            label={trans.__('Take back %1', parameter.name)}
            title={
              parameter.known ? trans.__('Back to %1', literal(parameter.value)) : undefined
            }
            onClick={props.reset}
          />
        )}
      </div>
      {parameter.help && (
        <div id={`${id}-help`} className="mn-Field-help">
          {parameter.help}
        </div>
      )}
    </div>
  );
}

/** The input of one parameter. What is half typed goes as text: the server reads it by its type. */
function Control(props: {
  parameter: ParameterView;
  value: unknown;
  isTyped: boolean;
  set: (value: unknown) => void;
  id: string;
  'aria-invalid'?: boolean;
  'aria-describedby'?: string;
}): JSX.Element {
  const trans = useTrans();
  const { parameter, value, isTyped, set, ...aria } = props;
  switch (parameter.control) {
    case 'boolean':
      return (
        <input
          {...aria}
          type="checkbox"
          checked={value === true}
          onChange={event => set(event.target.checked)}
        />
      );
    case 'choice':
      return (
        <select
          {...aria}
          className="mn-Select"
          value={JSON.stringify(value)}
          onChange={event => set(JSON.parse(event.target.value))}
        >
          {parameter.choices.map(choice => (
            <option key={literal(choice)} value={JSON.stringify(choice)}>
              {literal(choice)}
            </option>
          ))}
          {parameter.optional && <option value="null">{trans.__('none')}</option>}
        </select>
      );
    default:
      return (
        <input
          {...aria}
          className="mn-Input"
          type="text"
          inputMode={
            parameter.control === 'integer' || parameter.control === 'number'
              ? 'decimal'
              : undefined
          }
          spellCheck={false}
          placeholder={parameter.known ? '' : trans.__('worked out by the notebook')}
          value={!isTyped && !parameter.known ? '' : shown(value)}
          onChange={event => set(meant(event.target.value, parameter))}
        />
      );
  }
}

function shown(value: unknown): string {
  return value === null || value === undefined ? '' : literal(value);
}

/** What a text means for a parameter; what does not read as its type stays text. */
export function meant(text: string, parameter: ParameterView): unknown {
  if (text === '' && parameter.optional) {
    return null;
  }
  if (parameter.control === 'text') {
    return text;
  }
  try {
    const value: unknown = JSON.parse(text);
    const isNumber = typeof value === 'number';
    if (parameter.control === 'integer' || parameter.control === 'number') {
      return isNumber && String(value) === text.trim() ? value : text;
    }
    return value;
  } catch {
    return text;
  }
}
