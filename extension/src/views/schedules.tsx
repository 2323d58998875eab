/** Schedules: when runs start by themselves, the next two weeks, and what came of each time. */

import { addIcon } from '@jupyterlab/ui-components';
import { useEffect, useMemo } from 'react';
import type { ScheduleList, ScheduleView } from '../api';
import { useNow } from '../components/clock';
import { useArg, useProject, useSnapshot, useTrans } from '../components/context';
import { Frame, NoTasks, useLoad, usePipeline } from '../components/frame';
import { scheduleIcon } from '../components/icons';
import { Button, Loaded, Notice } from '../components/states';
import { Mark } from '../components/status';
import { Table, type IColumn } from '../components/table';
import { ToolButton } from '../components/toolbar';
import { SchedulesModel } from '../model/schedules';
import { until, zoned } from '../model/timetable';
import type { Trans } from '../tokens';
import { Calendar } from './schedulecalendar';
import { OccurrenceMark } from './occurrences';
import { ScheduleDetails, targetText } from './scheduledetails';
import { NoScheduler } from './noscheduler';
import { ScheduleForm } from './scheduleform';
import type { IView } from './view';

export const schedulesView: IView = {
  id: 'schedules',
  icon: scheduleIcon,
  component: Schedules,
  title: trans => trans.__('Schedules'),
  caption: trans => trans.__('Runs that start by themselves, and when'),
  listed: true
};

function Schedules(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const model = useMemo(() => new SchedulesModel(project), [project]);
  const [form, setForm] = useArg<boolean>('form', false);
  const [notebook, setNotebook] = useArg<string>('notebook', '');
  const [chosen, setChosen] = useArg<string>('schedule', '');
  const [editing, setEditing] = useArg<boolean>('edit', false);
  const list = useSnapshot(model.list);
  const old = editing
    ? list.value?.schedules.find(one => one.schedule.name === chosen)?.schedule
    : undefined;
  useLoad(() => model.refresh(), [model]);
  useEffect(() => model.watch(), [model]);
  const add = () => {
    setEditing(false);
    setNotebook('');
    setForm(true);
  };
  return (
    <Frame
      label={trans.__('Schedules')}
      onRefresh={() => void model.refresh()}
      toolbar={
        <ToolButton
          icon={addIcon}
          label={trans.__('Add a Schedule')}
          pressed={form}
          onClick={() => (form ? setForm(false) : add())}
          wordy
        />
      }
    >
      <div className="mn-Split">
        <div className="mn-Schedules">
          <Loaded
            snapshot={list}
            what={trans.__('Reading the schedules…')}
            onRetry={() => void model.refresh()}
          >
            {found => (
              <Listed
                model={model}
                list={found}
                chosen={form ? '' : chosen}
                isAdding={form}
                onAdd={add}
                onChoose={name => {
                  setForm(false);
                  setEditing(false);
                  setChosen(name);
                }}
              />
            )}
          </Loaded>
        </div>
        {form || old ? (
          <ScheduleForm
            key={`${project.path}:${form ? notebook : `edit ${chosen}`}`}
            notebook={form ? notebook : ''}
            old={form ? null : (old ?? null)}
            onClose={() => {
              setForm(false);
              setEditing(false);
            }}
            onSaved={name => {
              setForm(false);
              setEditing(false);
              setChosen(name);
              void model.refresh();
            }}
          />
        ) : (
          <Details
            model={model}
            name={chosen}
            onEdit={() => setEditing(true)}
            onClose={() => setChosen('')}
          />
        )}
      </div>
    </Frame>
  );
}

function Details(props: {
  model: SchedulesModel;
  name: string;
  onEdit: () => void;
  onClose: () => void;
}): JSX.Element | null {
  const list = useSnapshot(props.model.list).value;
  const found = list?.schedules.find(one => one.schedule.name === props.name);
  return found && list ? (
    <ScheduleDetails
      key={props.name}
      model={props.model}
      view={found}
      isServed={list.served}
      onEdit={props.onEdit}
      onClose={props.onClose}
    />
  ) : null;
}

function Listed(props: {
  model: SchedulesModel;
  list: ScheduleList;
  chosen: string;
  isAdding: boolean;
  onAdd: () => void;
  onChoose: (name: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const now = useNow(30);
  const { schedules, served } = props.list;
  const columns = useMemo(() => columnsOf(trans, now), [trans, now]);
  const calendar = useSnapshot(props.model.calendar);
  const pipeline = usePipeline();
  if (!schedules.length && !props.isAdding && pipeline?.tasks.length === 0) {
    return <NoTasks spec={pipeline.spec} />;
  }
  if (!schedules.length) {
    return (
      <Notice
        title={trans.__('Nothing runs by itself yet')}
        role="status"
        actions={
          !props.isAdding && (
            <Button primary onClick={props.onAdd}>
              {trans.__('Add a schedule')}
            </Button>
          )
        }
      >
        <p>
          {trans.__(
            'A schedule runs the pipeline, a task or a notebook at the times you say: “every weekday at 6”, “every 15 minutes”, or a cron expression.'
          )}
        </p>
        <p>
          {trans.__(
            'A right click on a notebook in the file browser offers “Schedule…” too.'
          )}
        </p>
      </Notice>
    );
  }
  return (
    <>
      {!served && <NoScheduler />}
      <div className="mn-Scroll">
        <Table
          label={trans.__('Schedules')}
          columns={columns}
          rows={schedules}
          keyOf={one => one.schedule.name}
          nameOf={one => one.schedule.name}
          active={props.chosen}
          onOpen={one => props.onChoose(one.schedule.name)}
        />
        <Loaded
          snapshot={calendar}
          what={trans.__('Working out the next two weeks…')}
          onRetry={() => void props.model.calendar.refresh()}
        >
          {found => (
            <Calendar
              schedules={schedules}
              times={found.times}
              now={now}
              onChoose={props.onChoose}
            />
          )}
        </Loaded>
      </div>
    </>
  );
}

function columnsOf(trans: Trans, now: number): IColumn<ScheduleView>[] {
  return [
    {
      id: 'name',
      header: trans.__('Schedule'),
      render: one => <strong className="mn-nowrap">{one.schedule.name}</strong>,
      sort: one => one.schedule.name
    },
    {
      id: 'state',
      header: trans.__('State'),
      render: one => <ScheduleState view={one} />,
      sort: one => stateText(one, trans)
    },
    {
      id: 'words',
      header: trans.__('When'),
      render: one => one.words,
      sort: one => one.words
    },
    {
      id: 'next',
      header: trans.__('Next'),
      render: one => <Next view={one} now={now} />,
      sort: one => (one.paused ? null : one.next_at)
    },
    {
      id: 'last',
      header: trans.__('Last'),
      render: one =>
        one.last ? (
          <OccurrenceMark occurrence={one.last} dated />
        ) : (
          <span className="mn-quiet mn-Ago">{trans.__('not yet')}</span>
        ),
      sort: one => one.last?.at ?? null
    },
    {
      id: 'target',
      header: trans.__('Runs'),
      render: one => targetText(one.schedule, trans),
      wide: true
    }
  ];
}

function Next(props: { view: ScheduleView; now: number }): JSX.Element {
  const trans = useTrans();
  const { view } = props;
  if (view.paused) {
    return <span className="mn-quiet">{trans.__('when resumed')}</span>;
  }
  if (view.next_at === null) {
    return <span className="mn-quiet">{trans.__('never again')}</span>;
  }
  const { timezone } = view.schedule;
  return (
    <span title={`${view.next_local} ${timezone}`} className="mn-Next">
      {until(view.next_at, props.now)}
      <span className="mn-quiet">{zoned(view.next_at, timezone)}</span>
    </span>
  );
}

function stateText(view: ScheduleView, trans: Trans): string {
  if (view.running) {
    return trans.__('running');
  }
  if (view.paused) {
    return trans.__('paused');
  }
  return view.waiting ? trans.__('waiting to start') : trans.__('active');
}

/** Whether it is on, paused, or running right now. */
export function ScheduleState(props: { view: ScheduleView }): JSX.Element {
  const trans = useTrans();
  const { view } = props;
  const text = stateText(view, trans);
  if (view.running) {
    return (
      <Mark glyph="running" tone="busy">
        {text}
      </Mark>
    );
  }
  if (view.paused) {
    return (
      <Mark
        glyph="stopped"
        tone="warn"
        title={view.paused_by && trans.__('by %1', view.paused_by)}
      >
        {text}
      </Mark>
    );
  }
  return (
    <Mark glyph={view.waiting ? 'waiting' : 'done'} tone={view.waiting ? 'busy' : 'good'}>
      {text}
    </Mark>
  );
}
