using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>Puts several traces beside each other: the lanes of the second follow those of the first, and so on; times stay as they are.</summary>
public static class TraceMerger
{
    /// <summary>The header of the outcome: lanes add up, properties get the trace's number in front. Cycles per record tick must agree.</summary>
    /// <exception cref="ConfigurationException">There is nothing to merge, or times were made in different ways.</exception>
    public static TraceHeader Header(IReadOnlyList<TraceHeader> headers)
    {
        if (headers.Count == 0)
        {
            throw new ConfigurationException("There is no trace to merge. Name at least one.");
        }

        SortedDictionary<string, string> properties = new(StringComparer.Ordinal);
        for (int i = 0; i < headers.Count; i++)
        {
            if (headers[i].CyclesPerRecordTick != headers[0].CyclesPerRecordTick)
            {
                throw new ConfigurationException(
                    $"Trace {i} has {headers[i].CyclesPerRecordTick} cycles per record tick and trace 0 has {headers[0].CyclesPerRecordTick}: their times cannot be laid side by side.");
            }

            foreach (KeyValuePair<string, string> property in headers[i].Properties)
            {
                properties[$"{i}.{property.Key}"] = property.Value;
            }
        }

        if (headers.Select(header => header.Vendor).OfType<Vendor>().Distinct().ToArray() is [Vendor vendor])
        {
            properties[TraceHeader.VendorProperty] = TraceHeader.VendorWord(vendor);
        }

        return new TraceHeader(headers.Sum(header => header.Lanes), headers.Any(header => header.Folded), headers[0].CyclesPerRecordTick, properties)
        {
            Doubts = [.. headers.SelectMany(header => header.Doubts).Distinct()],
        };
    }

    /// <summary>
    /// Merges by (time, lane). So that two traces' vCPU 0 stay two, the vCPUs of trace i are numbered from <c>i * vcpuStride</c>. Returns the records written.
    /// </summary>
    /// <exception cref="ConfigurationException">A trace has a vCPU number that does not fit into the stride, or the numbers leave 16 bits.</exception>
    public static ulong Merge(IReadOnlyList<ITraceSource> sources, ITraceSink sink, int vcpuStride = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vcpuStride, 1);
        if ((long)sources.Count * vcpuStride > ushort.MaxValue + 1L)
        {
            throw new ConfigurationException($"{sources.Count} traces with {vcpuStride} vCPU numbers each are more than the {ushort.MaxValue + 1} there are.");
        }

        TraceAppender appender = new(sink, sources.Sum(source => source.Header.Lanes));
        List<Input> inputs = [];
        int lanes = 0;
        for (int i = 0; i < sources.Count; i++)
        {
            inputs.Add(new Input(i, new RecordStream(sources[i]), lanes));
            lanes += sources[i].Header.Lanes;
        }

        inputs.RemoveAll(input => !input.Records.Next());
        while (inputs.Count > 0)
        {
            Input next = inputs[0];
            foreach (Input input in inputs)
            {
                next = input.Records.Time < next.Records.Time ? input : next;
            }

            if (next.Records.IsEvent)
            {
                Renumber(ref next.Records.Event, next, vcpuStride);
            }

            next.Records.AppendTo(appender, next.FirstLane + next.Records.Lane);
            if (!next.Records.Next())
            {
                inputs.Remove(next);
            }
        }

        appender.Complete();
        return appender.Records;
    }

    private static void Renumber(ref TraceEvent e, Input input, int stride)
    {
        foreach (FieldSpec field in RecordSchema.Fields(e.Kind))
        {
            if (field.Name == "vcpu")
            {
                e[field.Slot] = e[field.Slot] < (ulong)stride ? e[field.Slot] + (ulong)(input.Number * stride) : throw new ConfigurationException(
                    $"Trace {input.Number} has vCPU {e[field.Slot]}, which does not fit into a stride of {stride}. Give a stride above the highest vCPU number.");
            }
            else if (field.Name == "to_lane")
            {
                e[field.Slot] += (ulong)input.FirstLane;
            }
        }
    }

    private sealed record Input(int Number, RecordStream Records, int FirstLane);
}
