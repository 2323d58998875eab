import { describe, expect, it } from 'vitest';
import { metricTexts } from '../src/components/format';

describe('metrics of a run', () => {
  it('line up, and whole numbers stay whole', () => {
    expect(
      metricTexts({
        'a.auc': 0.78872,
        'a.brier': 0.1071,
        'b.rows': 1234567,
        'b.cost': 1234.5
      })
    ).toEqual([
      ['a.auc', '0.7887'],
      ['a.brier', '0.1071'],
      ['b.rows', '1234567'],
      ['b.cost', '1234.5']
    ]);
  });

  it('go without the task where it is the only one', () => {
    expect(metricTexts({ 'evaluate.auc': -0.5, 'evaluate.slices.JFK': 0 })).toEqual([
      ['auc', '-0.5000'],
      ['slices.JFK', '0']
    ]);
    expect(metricTexts({})).toEqual([]);
  });
});
