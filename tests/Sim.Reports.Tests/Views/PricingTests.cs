using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

/// <summary>Differences of cycles in a developer's units, by hand.</summary>
public sealed class PricingTests
{
    /// <summary>1,000 CPUID round trips of 6,000 to 8,000 cycles at 2 to 4 GHz; with real time, they took 50 ms.</summary>
    private static PriceBase Base(long? recorded = 50_000_000, params string[] assumed) =>
        new(2_000_000, 4_000_000, 2, [new RoundTripBase("CPUID", 1000, 6000, 8000, "[read]: published")], "Linux 6.12", recorded, assumed);

    [Test]
    public void A_thousand_cycles_more_each_are_250_to_500_ns_of_3_to_4_us()
    {
        RoundTripPrice price = Price(Base(), Sheet(translation: 1_000_000), Sheet(), out Pricing pricing);

        Assert.That(pricing.RoundTrip, Is.EqualTo(new Bracket(3000, 4000)));
        Assert.That(pricing.Rate, Is.EqualTo(20_000));
        Assert.That(price.Nanoseconds, Is.EqualTo(new Bracket(250, 500)));
        Assert.That(price.OfRoundTrip!.Value.Least, Is.EqualTo(250.0 / 4000).Within(1e-12));
        Assert.That(price.OfRoundTrip!.Value.Most, Is.EqualTo(500.0 / 3000).Within(1e-12));
        Assert.That(price.OfCpu!.Value.Most, Is.EqualTo(0.01).Within(1e-12));
        Assert.That(pricing.Clause(price), Is.EqualTo("costs 250..500 ns more of a 3,000..4,000 ns L2 CPUID round trip (6.2..17%), 0.5..1% of a CPU at the recorded 20,000 round trips/s"));
    }

    /// <summary>Saved: an invalidation of 500 cycles that nobody published, 1,000 cycles at most, 500 ns at 2 GHz. The round trip that it is saved from has those and the misses in it, and takes 3,000 to 4,000 ns as published.</summary>
    [TestCase(4_000_000, 500.0 / 3000, Description = "2,500 ns of parts")]
    [TestCase(6_000_000, 500.0 / 3500, Description = "3,500 ns of parts")]
    [TestCase(8_000_000, 500.0 / 4000, Description = "4,500 ns of parts")]
    public void The_largest_share_is_of_a_round_trip_that_holds_its_parts_at_their_dearest(long translation, double share)
    {
        RoundTripPrice price = Price(Base(null, "invalidation"), Sheet(translation), Sheet(translation, invalidation: 500_000), out _);

        Assert.That(price.Nanoseconds.Least, Is.EqualTo(-500).Within(1e-9));
        Assert.That(price.OfRoundTrip!.Value.Least, Is.EqualTo(-share).Within(1e-9));
        Assert.That(price.OfRoundTrip!.Value.Most, Is.EqualTo(-62.5 / 4000).Within(1e-9), "half of it at 4 GHz, of the longest");
    }

    [Test]
    public void No_more_than_the_whole_round_trip_is_saved()
    {
        RoundTripPrice price = Price(Base(null), Sheet(), Sheet(translation: 10_000_000), out _);

        Assert.That(price.Nanoseconds, Is.EqualTo(new Bracket(-5000, -2500)));
        Assert.That(price.OfRoundTrip!.Value.Least, Is.EqualTo(-1), "5,000 ns of 4,000");
        Assert.That(price.OfRoundTrip!.Value.Most, Is.EqualTo(-2500.0 / 4000));
    }

    [Test]
    public void What_costs_less_saves()
    {
        RoundTripPrice price = Price(Base(null), Sheet(), Sheet(translation: 1_000_000), out Pricing pricing);

        Assert.That(price.Nanoseconds, Is.EqualTo(new Bracket(-500, -250)));
        Assert.That(price.OfCpu, Is.Null, "no real time and no rate");
        Assert.That(pricing.Clause(price), Is.EqualTo("saves 250..500 ns of a 3,000..4,000 ns L2 CPUID round trip (6.2..17%)"));
    }

    [Test]
    public void A_cost_that_nobody_published_may_be_half_or_twice()
    {
        Assert.That(Price(Base(null, "invalidation"), Sheet(invalidation: 1_000_000), Sheet(), out _).Nanoseconds, Is.EqualTo(new Bracket(125, 1000)));
        Assert.That(Price(Base(null, "hypervisor"), Sheet(invalidation: 1_000_000), Sheet(), out _).Nanoseconds, Is.EqualTo(new Bracket(250, 500)));
    }

    [Test]
    public void Stays_of_strangers_may_touch_half_as_much_or_half_as_much_again()
    {
        Doubt strangers = new(DoubtKind.Handlers, "a fifth is strange", 20, 100);
        Doubt kin = new(DoubtKind.Handlers, "most are kin", 90);

        RoundTripPrice price = Price(Base(null), Sheet(translation: 1_000_000), Sheet(), out _, strangers, kin);

        Assert.That(price.Nanoseconds.Least, Is.EqualTo(225).Within(1e-9));
        Assert.That(price.Nanoseconds.Most, Is.EqualTo(550).Within(1e-9));
    }

    [Test]
    public void What_may_save_or_cost_is_the_same_within_what_is_assumed()
    {
        RoundTripPrice price = Price(Base(null, "invalidation"), Sheet(translation: 1_000_000), Sheet(invalidation: 1_000_000), out Pricing pricing);

        Assert.That(price.Nanoseconds, Is.EqualTo(new Bracket(-500, 250)));
        Assert.That(pricing.Clause(price), Is.EqualTo("may save 500 ns or cost 250 ns of a 3,000..4,000 ns L2 CPUID round trip: the same within what is assumed"));
    }

    [Test]
    public void Equal_runs_cost_exactly_the_same()
    {
        RoundTripPrice price = Price(Base(), Sheet(7, 8), Sheet(7, 8), out Pricing pricing);

        Assert.That(pricing.Clause(price), Is.EqualTo("costs exactly the same for each 3,000..4,000 ns L2 CPUID round trip"));
    }

    [TestCase(1999, "costs the same, to within a nanosecond, for each 3,000..4,000 ns L2 CPUID round trip")]
    [TestCase(4000, "costs 1..2 ns more of a 3,000..4,000 ns L2 CPUID round trip (0.025..0.067%): too little to matter")]
    [TestCase(5999, "costs 1.5..3 ns more of a 3,000..4,000 ns L2 CPUID round trip (0.037..0.1%): too little to matter")]
    [TestCase(6000, "costs 1.5..3 ns more of a 3,000..4,000 ns L2 CPUID round trip (0.038..0.1%)")]
    public void What_is_less_than_a_nanosecond_is_nothing_and_less_than_a_thousandth_is_too_little(long cycles, string clause)
    {
        RoundTripPrice price = Price(Base(null), Sheet(translation: cycles), Sheet(), out Pricing pricing);

        Assert.That(pricing.Clause(price), Is.EqualTo(clause));
    }

    [Test]
    public void A_users_rate_and_round_trip_win()
    {
        RunSet set = Set(Base());
        Pricing pricing = Pricing.Of(set, rate: 38_000, roundTrip: 3900)!;
        RoundTripPrice price = pricing.Of(Sheet(translation: 1_000_000), Sheet());

        Assert.That(pricing.Clause(price), Is.EqualTo("costs 250..500 ns more of a 3,900 ns L2 CPUID round trip (6.4..13%), 0.95..1.9% of a CPU at 38,000 round trips/s"));
    }

    [Test]
    public void A_mix_of_reasons_is_the_mean_of_its_round_trips()
    {
        PriceBase mixed = Base(null) with { RoundTrips = [new RoundTripBase("CPUID", 300, 6000, 8000, "x"), new RoundTripBase("HLT", 100, 10_000, 20_000, "assumed: y")] };
        Pricing pricing = Pricing.Of(Set(mixed))!;

        Assert.That(pricing.RoundTrip, Is.EqualTo(new Bracket(3500, 5500)));
        Assert.That(pricing.IsAssumedRoundTrip, Is.True);
        Assert.That(pricing.RoundTripName, Is.EqualTo("3,500..5,500 ns L2 round trip"));
    }

    [Test]
    public void A_reason_without_a_figure_leaves_the_round_trip_unknown()
    {
        Pricing pricing = Pricing.Of(Set(Base(null) with { RoundTrips = [new RoundTripBase("CPUID", 1000, 0, 0, "")] }))!;
        RoundTripPrice price = pricing.Of(Sheet(translation: 1_000_000), Sheet());

        Assert.That((pricing.RoundTrip, price.OfRoundTrip), Is.EqualTo(((Bracket?)null, (Bracket?)null)));
        Assert.That(pricing.Clause(price), Is.EqualTo("costs 250..500 ns more for each L2 CPUID round trip"));
    }

    [Test]
    public void There_is_no_price_without_round_trips() => Assert.That(Pricing.Of(Set(Base() with { RoundTrips = [] })), Is.Null);

    [TestCase(9999, 9999, "9,999 ns")]
    [TestCase(10_000, 10_000, "10 us")]
    [TestCase(2.346, 23.46, "2.35..23.5 ns")]
    [TestCase(-15_500, 0, "-15.5..0 us")]
    public void Nanoseconds_have_three_digits_and_become_microseconds_from_ten_thousand_on(double least, double most, string text) =>
        Assert.That(new Bracket(least, most).Nanoseconds(), Is.EqualTo(text));

    private static RoundTripPrice Price(PriceBase priceBase, StatSheet run, StatSheet against, out Pricing pricing, params Doubt[] doubts)
    {
        pricing = Pricing.Of(Set(priceBase, doubts))!;
        return pricing.Of(run, against);
    }

    private static RunSet Set(PriceBase priceBase, params Doubt[] doubts)
    {
        RunSet set = Sample.Set();
        return set with { Provenance = set.Provenance with { Base = priceBase, Doubts = doubts } };
    }

    private static StatSheet Sheet(long translation = 0, long invalidation = 0)
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.trace", "cycles", "Trace.", 5_000_000);
        sheet.Counter("cycles.translation", "cycles", "Translation.", translation);
        sheet.Counter("cycles.invalidation", "cycles", "Invalidations.", invalidation);
        return sheet;
    }
}
