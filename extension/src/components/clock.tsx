/** Times that move on: no view ticks by itself. */

import { useEffect, useState } from 'react';
import { useTrans } from './context';
import { ago, dateTime, duration } from './format';

/** Return the seconds since the epoch, anew each `seconds` while `on` and the page is seen. */
export function useNow(seconds: number, on = true): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    if (!on) {
      return undefined;
    }
    const tick = () => {
      if (!document.hidden) {
        setNow(Date.now() / 1000);
      }
    };
    tick();
    const timer = setInterval(tick, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds, on]);
  return now;
}

/** `4 minutes ago`, with the exact time for who hovers. */
export function Ago(props: { time: number }): JSX.Element {
  const trans = useTrans();
  const now = useNow(30);
  return (
    <time
      className="mn-Ago"
      dateTime={new Date(props.time * 1000).toISOString()}
      title={dateTime(props.time)}
    >
      {ago(props.time, trans, now)}
    </time>
  );
}

/** How long something took, or has been going on for. */
export function Took(props: {
  started: number | null;
  seconds: number | null;
  running: boolean;
}): JSX.Element {
  const now = useNow(1, props.running);
  const seconds =
    props.running && props.started !== null
      ? Math.max(0, now - props.started)
      : props.seconds;
  return <span className="mn-number">{duration(seconds)}</span>;
}
