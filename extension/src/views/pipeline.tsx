/** The pipeline: its graph and list, what would run and why, and what runs now. */

import { listIcon } from '@jupyterlab/ui-components';
import { useCallback, useMemo, useRef, useState } from 'react';
import type { PipelineView, PlanView, RunView } from '../api';
import { useArg, usePanel, useProject, useSnapshot, useTrans } from '../components/context';
import { Frame, NoTasks, useLoad } from '../components/frame';
import { fitIcon, parametersIcon, pathIcon, pipelineIcon } from '../components/icons';
import { Loaded } from '../components/states';
import { CommandButton, Search, Spacer, ToolButton } from '../components/toolbar';
import { isFailed } from '../model/fold';
import {
  buildGraph,
  liveRun,
  openGroups,
  type IGraph,
  type IGraphNode
} from '../model/graph';
import { CommandIDs } from '../tokens';
import { Graph, isHit, type IGraphView } from './graph';
import { Parameters } from './parameters';
import { PipelineSummary } from './pipelinesummary';
import { TaskDetails } from './taskdetails';
import { TaskList } from './tasklist';
import type { IView } from './view';

export const pipelineView: IView = {
  id: 'pipeline',
  icon: pipelineIcon,
  component: Pipeline,
  title: trans => trans.__('Pipeline'),
  caption: trans =>
    trans.__('The graph of tasks: what would run and why, and what runs now'),
  listed: true
};

function Pipeline(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const snapshot = useSnapshot(project.pipeline);
  const [side, setSide] = useArg<string>('side', '');
  const [showList, setShowList] = useArg<boolean>('list', false);
  const [showPath, setShowPath] = useArg<boolean>('path', false);
  const [query, setQuery] = useState('');
  const view = useRef<IGraphView | null>(null);
  const find = useRef<() => void>(() => undefined);
  useLoad(() => project.pipeline.refresh(), [project]);
  useSnapshot(project.feed);
  const busy = project.feed.isBusy;
  const last = snapshot.value?.last;
  const isResumable = last && ['failed', 'cancelled', 'lost'].includes(last.status);
  return (
    <Frame
      label={trans.__('Pipeline')}
      onRefresh={() => void project.pipeline.refresh()}
      toolbar={
        (snapshot.value ? snapshot.value.tasks.length > 0 : !snapshot.error) && (
          <>
            {busy ? (
              <CommandButton id={CommandIDs.cancel} wordy />
            ) : (
              <CommandButton id={CommandIDs.runAll} wordy />
            )}
            {!busy && isResumable && (
              <CommandButton id={CommandIDs.resume} args={{ run: last.id }} wordy />
            )}
            <ToolButton
              icon={parametersIcon}
              label={trans.__('Parameters')}
              pressed={side === 'parameters'}
              onClick={() => setSide(side === 'parameters' ? '' : 'parameters')}
              wordy
            />
            <Spacer />
            <Search
              label={trans.__('Search tasks')}
              value={query}
              onChange={setQuery}
              onEnter={() => find.current()}
            />
            <ToolButton
              icon={listIcon}
              label={trans.__('List of tasks')}
              pressed={showList}
              onClick={() => setShowList(!showList)}
            />
            <ToolButton
              icon={pathIcon}
              label={trans.__('Critical path')}
              pressed={showPath}
              onClick={() => setShowPath(!showPath)}
            />
            <ToolButton
              icon={fitIcon}
              label={trans.__('Zoom to fit')}
              onClick={() => view.current?.fit()}
            />
          </>
        )
      }
    >
      <Loaded
        snapshot={snapshot}
        what={trans.__('Reading the pipeline…')}
        onRetry={() => void project.pipeline.refresh()}
      >
        {pipeline =>
          pipeline.tasks.length ? (
            <Picture
              pipeline={pipeline}
              query={query}
              side={side}
              setSide={setSide}
              showList={showList}
              showPath={showPath}
              view={view}
              find={find}
            />
          ) : (
            <NoTasks spec={pipeline.spec} />
          )
        }
      </Loaded>
    </Frame>
  );
}

function Picture(props: {
  pipeline: PipelineView;
  query: string;
  /** `parameters`, or empty for the details of what is chosen. */
  side: string;
  setSide: (side: string) => void;
  showList: boolean;
  showPath: boolean;
  view: React.MutableRefObject<IGraphView | null>;
  /** Goes to the next node that the search finds. */
  find: React.MutableRefObject<() => void>;
}): JSX.Element {
  const { pipeline, query, side, setSide } = props;
  const { commands } = usePanel();
  const project = useProject();
  const runs = useSnapshot(project.feed);
  const { plan } = useSnapshot(project.form);
  const [chosen, setChosen] = useArg<string>('task', '');
  const [toggled, setToggled] = useArg<string[]>('toggled', []);
  const live = liveRun(pipeline, runs);
  const graph = useGraph(pipeline, live, live ? null : plan, toggled);
  const node = graph.nodes.find(one => one.id === chosen);

  const choose = useCallback(
    (id: string) => {
      setChosen(id);
      if (id) {
        setSide('');
      }
    },
    [setChosen, setSide]
  );
  const fold = (group: string) =>
    setToggled(
      toggled.includes(group) ? toggled.filter(one => one !== group) : [...toggled, group]
    );
  const open = useCallback(
    (one: IGraphNode) => {
      if (one.folded) {
        fold(one.name);
        return;
      }
      const run = live?.tasks.some(task => task.task === one.name && task.started)
        ? { run: live.summary.id }
        : {};
      const failed = one.cell !== null || isFailed(one.state as never);
      void commands.execute(failed ? CommandIDs.openFailingCell : CommandIDs.openSource, {
        task: one.name,
        ...run
      });
    },
    [commands, live, toggled]
  );
  const reveal = (id: string) => {
    choose(id);
    props.view.current?.reveal(id);
  };
  props.find.current = () => {
    const next = nextHit(graph, query, chosen);
    if (next) {
      reveal(next);
    }
  };
  const onReady = useCallback((view: IGraphView) => {
    props.view.current = view;
  }, []);

  return (
    <>
      <PipelineSummary pipeline={pipeline} live={live} plan={live ? null : plan} />
      <div className="mn-Split">
        {props.showList && (
          <div className="mn-Split-list">
            <TaskList
              graph={graph}
              chosen={chosen}
              query={query}
              onChoose={reveal}
              onOpen={open}
            />
          </div>
        )}
        <Graph
          graph={graph}
          chosen={chosen}
          query={query}
          showPath={props.showPath}
          onChoose={choose}
          onOpen={open}
          onReady={onReady}
        />
        {side === 'parameters' ? (
          <Parameters pipeline={pipeline} onClose={() => setSide('')} />
        ) : (
          node && (
            <TaskDetails
              node={node}
              pipeline={pipeline}
              live={live}
              plan={live ? null : plan}
              onChoose={reveal}
              onClose={() => choose('')}
              onFold={fold}
            />
          )
        )}
      </div>
    </>
  );
}

function useGraph(
  pipeline: PipelineView,
  live: RunView | null,
  plan: PlanView | null,
  toggled: readonly string[]
): IGraph {
  return useMemo(
    () => buildGraph(pipeline, live, plan, openGroups(pipeline, toggled)),
    [pipeline, live, plan, toggled]
  );
}

/** The node after the chosen one that the search finds, beginning anew after the last. */
function nextHit(graph: IGraph, query: string, chosen: string): string | null {
  const wanted = query.trim().toLowerCase();
  const hits = wanted ? graph.nodes.filter(node => isHit(node, wanted)) : [];
  const at = hits.findIndex(node => node.id === chosen);
  return hits.length ? hits[(at + 1) % hits.length].id : null;
}
