/** The left sidebar: the pipeline's tasks and the last runs as lists, and the way to each view. */

import type { ReactNode } from 'react';
import { Ago } from '../components/clock';
import { useArg, usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { Frame, useLoad } from '../components/frame';
import { pipelineIcon } from '../components/icons';
import { Loaded } from '../components/states';
import { CommandButton } from '../components/toolbar';
import { buildGraph, liveRun, openGroups } from '../model/graph';
import { withLive } from '../model/history';
import { CommandIDs } from '../tokens';
import { RunState } from './runs';
import { TaskList } from './tasklist';
import type { IView } from './view';

export const sidebarView: IView = {
  id: 'sidebar',
  icon: pipelineIcon,
  component: Sidebar,
  title: trans => trans.__('Pipeline and runs'),
  caption: trans => trans.__('Pipeline and runs'),
  listed: false
};

const WAYS = ['models', 'monitoring', 'schedules', 'export'];

/** Runs that the sidebar lists. */
const RECENT = 8;

function Sidebar(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const refresh = async () => {
    await Promise.all([project.pipeline.refresh(), project.runs.refresh()]);
  };
  useLoad(refresh, [project]);
  return (
    <Frame
      label={trans.__('Pipeline and runs')}
      onRefresh={() => void refresh()}
      toolbar={
        <>
          <CommandButton id={CommandIDs.runAll} />
          <CommandButton id={CommandIDs.cancel} />
        </>
      }
    >
      <Ways />
      <div className="mn-Sections">
        <Section id="tasks" title={trans.__('Pipeline')} open="mlops-nb:open-pipeline">
          <Tasks />
        </Section>
        <Section id="runs" title={trans.__('Runs')} open="mlops-nb:open-runs">
          <RecentRuns />
        </Section>
      </div>
    </Frame>
  );
}

/** A button to each view that has no list here. */
function Ways(): JSX.Element {
  const trans = useTrans();
  return (
    <nav className="mn-Ways" aria-label={trans.__('Views')}>
      {WAYS.map(view => (
        <CommandButton key={view} id={`mlops-nb:open-${view}`} wordy />
      ))}
    </nav>
  );
}

/** A part of the sidebar that folds, with a button to the big view of the same thing. */
export function Section(props: {
  id: string;
  title: string;
  open: string;
  children: ReactNode;
}): JSX.Element {
  const [folded, setFolded] = useArg<boolean>(`${props.id}-folded`, false);
  return (
    <section className="mn-Section" aria-label={props.title}>
      <header>
        <button
          type="button"
          className="mn-Section-title"
          aria-expanded={!folded}
          onClick={() => setFolded(!folded)}
        >
          <span aria-hidden="true">{folded ? '▸' : '▾'}</span> {props.title}
        </button>
        <CommandButton id={props.open} />
      </header>
      {!folded && <div className="mn-Section-body">{props.children}</div>}
    </section>
  );
}

function Tasks(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const snapshot = useSnapshot(project.pipeline);
  const runs = useSnapshot(project.feed);
  const open = (task: string) => void commands.execute('mlops-nb:open-pipeline', { task });
  return (
    <Loaded
      snapshot={snapshot}
      what={trans.__('Reading the pipeline…')}
      onRetry={() => void project.pipeline.refresh()}
    >
      {pipeline => (
        <TaskList
          graph={buildGraph(
            pipeline,
            liveRun(pipeline, runs),
            null,
            openGroups(pipeline, [])
          )}
          chosen=""
          query=""
          onChoose={open}
          onOpen={node => open(node.id)}
        />
      )}
    </Loaded>
  );
}

function RecentRuns(): JSX.Element {
  const trans = useTrans();
  const { commands } = usePanel();
  const project = useProject();
  const snapshot = useSnapshot(project.runs);
  const live = useSnapshot(project.feed);
  return (
    <Loaded
      snapshot={snapshot}
      what={trans.__('Reading the history…')}
      onRetry={() => void project.runs.refresh()}
    >
      {list => {
        const runs = withLive(list.runs, live).slice(0, RECENT);
        if (!runs.length) {
          return <p className="mn-quiet mn-pad">{trans.__('Nothing ran yet.')}</p>;
        }
        return (
          <ul className="mn-List">
            {runs.map(run => (
              <li key={run.id}>
                <button
                  type="button"
                  onClick={() => void commands.execute(CommandIDs.openRun, { run: run.id })}
                >
                  <RunState run={run} />
                  <span className="mn-quiet">
                    <Ago time={run.started} />
                  </span>
                </button>
              </li>
            ))}
          </ul>
        );
      }}
    </Loaded>
  );
}
