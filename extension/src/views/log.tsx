/** What a run's process, or one of its tasks, printed; follows while it goes on. */

import { textEditorIcon } from '@jupyterlab/ui-components';
import { useEffect, useMemo, useRef } from 'react';
import type { LogView } from '../api';
import { useArg, useProject, useSnapshot, useTrans } from '../components/context';
import { Frame, useLoad } from '../components/frame';
import { Loaded } from '../components/states';
import { Resource } from '../model/resource';
import { got } from '../request';
import type { IView } from './view';

export const logView: IView = {
  id: 'log',
  icon: textEditorIcon,
  component: Log,
  title: (trans, args) => trans.__('Log of %1', String(args.task || args.run)),
  caption: trans => trans.__('What a run printed'),
  key: args => `${String(args.run)} ${String(args.task ?? '')}`,
  listed: false
};

function Log(): JSX.Element {
  const trans = useTrans();
  const project = useProject();
  const [run] = useArg<string>('run', '');
  const [task] = useArg<string>('task', '');
  const log = useMemo(
    () =>
      new Resource<LogView>(signal =>
        got(
          project.api.GET('/mlops-nb/v1/runs/{run}/log', {
            params: { path: { run }, query: { project: project.path, task } },
            signal
          })
        )
      ),
    [project, run, task]
  );
  useLoad(() => log.refresh(), [log]);
  const seq = useSnapshot(project.feed).get(run)?.summary.last_seq;
  useEffect(() => {
    // Events come in bursts; a log is read at most once a second, and not in a hidden page.
    const timer = setTimeout(() => {
      if (!document.hidden && seq !== undefined) {
        void log.refresh();
      }
    }, 1000);
    return () => clearTimeout(timer);
  }, [log, seq]);
  return (
    <Frame label={trans.__('Log')} onRefresh={() => void log.refresh()}>
      <Loaded
        snapshot={useSnapshot(log)}
        what={trans.__('Reading the log…')}
        onRetry={() => void log.refresh()}
      >
        {value => <Text log={value} />}
      </Loaded>
    </Frame>
  );
}

function Text(props: { log: LogView }): JSX.Element {
  const trans = useTrans();
  const { text, truncated, size } = props.log;
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [text]);
  return (
    <div
      className="mn-Scroll mn-Log"
      ref={box}
      tabIndex={0}
      role="log"
      aria-label={trans.__('Log')}
      onScroll={event => {
        const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
        atEnd.current = scrollTop + clientHeight >= scrollHeight - 20;
      }}
    >
      {truncated && (
        <p className="mn-quiet">
          {trans.__(
            'The end of %1 KB; the beginning is left out.',
            Math.round(size / 1024)
          )}
        </p>
      )}
      {text ? (
        <pre>{text}</pre>
      ) : (
        <p className="mn-quiet">{trans.__('Nothing was printed.')}</p>
      )}
    </div>
  );
}
