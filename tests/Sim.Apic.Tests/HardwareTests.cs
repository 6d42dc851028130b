namespace Sim.Apic.Tests;

/// <summary>The hardware's own rules: layouts from the manuals, and the cases of kvm-unit-tests (docs/rules.md#kvm-unit-tests) on the parts alone.</summary>
[TestFixture]
internal sealed class HardwareTests
{
    [Test]
    public void The_descriptor_has_PIR_in_bits_255_to_0_then_ON_SN_NV_and_NDST_where_the_SDM_says()
    {
        PostedInterruptDescriptor descriptor = new() { Sn = true, Nv = 0xF2, Ndst = 0x8000_0001 };
        descriptor.Pir.TestAndSet(0);
        descriptor.Pir.TestAndSet(127);
        descriptor.Pir.TestAndSet(255);
        Assert.That(descriptor.TestAndSetOn(), Is.False);
        Assert.That(Enumerable.Range(0, 8).Select(descriptor.Word), Is.EqualTo(new ulong[] { 1, 1UL << 63, 0, 1UL << 63, 0x8000_0001_00F2_0003, 0, 0, 0 }));
        descriptor.Sn = false;
        Assert.That(descriptor.TestAndClearOn(), Is.True);
        Assert.That(descriptor.Word(4), Is.EqualTo(0x8000_0001_00F2_0000));
    }

    // VT-d 5.2.3 with URG=0: a notification is due if ON=0 and SN=0.
    [TestCase(false, false, true)]
    [TestCase(true, false, false)]
    [TestCase(false, true, false)]
    [TestCase(true, true, false)]
    public void Hardware_notifies_only_if_nothing_is_outstanding_and_notification_is_not_suppressed(bool on, bool sn, bool notifies)
    {
        PostedInterruptDescriptor descriptor = new() { Sn = sn };
        if (on)
        {
            descriptor.TestAndSetOn();
        }

        Assert.That(descriptor.RequestNotification(), Is.EqualTo(notifies));
        Assert.That(descriptor.On, Is.EqualTo(on || notifies));
    }

    // vmx_basic_vid_test: the ISR runs once iff class(nr) > class(TPR).
    [Test]
    public void A_virtual_interrupt_is_pending_iff_its_class_is_above_that_of_the_TPR([Values(0x21, 0x2F, 0x30, 0x80, 0xFF)] int vector, [Values(0x00, 0x1F, 0x20, 0x2F, 0x30, 0xF0)] int tpr)
    {
        ApicPage page = new() { Tpr = (byte)tpr };
        GuestInterruptStatus status = default;
        status.SelfIpi((byte)vector, page);
        bool above = vector / 16 > tpr / 16;
        Assert.That(status.IsPending(page), Is.EqualTo(above));
        Assert.That(status.Rvi, Is.EqualTo(vector));
        if (above)
        {
            Assert.That(status.Deliver(page), Is.EqualTo(vector));
            Assert.That((status.Rvi, status.Svi, page.Irr.IsEmpty, page.Isr.Highest), Is.EqualTo(((byte)0, (byte)vector, true, vector)));
        }
    }

    // vmx_eoi_virt_test: two pending vectors, EOI of the high one.
    [Test]
    public void EOI_virtualization_of_the_higher_vector_lets_the_lower_one_through()
    {
        ApicPage page = new();
        VectorSet pir = default;
        pir.TestAndSet(0x51);
        pir.TestAndSet(0x52);
        GuestInterruptStatus status = default;
        status.Process(ref pir, page);
        Assert.That((status.Rvi, pir.IsEmpty), Is.EqualTo(((byte)0x52, true)));
        status.Deliver(page);
        Assert.That((status.Rvi, status.IsPending(page)), Is.EqualTo(((byte)0x51, false)), "0x51 is of the class in service");
        Assert.That(status.EndOfInterrupt(page), Is.EqualTo(0x52));
        Assert.That((status.Svi, status.IsPending(page)), Is.EqualTo(((byte)0, true)));
        Assert.That(status.Deliver(page), Is.EqualTo(0x51));
    }

    [Test]
    public void An_EOI_clears_the_vector_that_SVI_names_even_if_another_one_is_in_service()
    {
        ApicPage page = new();
        page.Isr.TestAndSet(0x60);
        GuestInterruptStatus stale = new() { Svi = 0x31 };
        stale.EndOfInterrupt(page);
        Assert.That(page.Isr[0x60], Is.True);
        Assert.That(page.EndOfInterrupt(), Is.EqualTo(0x60), "a software EOI takes the highest");
    }

    [TestCase(0x00, -1, 0x00)]
    [TestCase(0x45, -1, 0x45)]
    [TestCase(0x45, 0x41, 0x45)]
    [TestCase(0x45, 0x53, 0x50)]
    public void Processor_priority_is_the_TPR_or_the_class_in_service_whichever_is_higher(int tpr, int inService, int ppr)
    {
        ApicPage page = new() { Tpr = (byte)tpr };
        if (inService >= 0)
        {
            page.Isr.TestAndSet(inService);
        }

        Assert.That(page.Ppr, Is.EqualTo(ppr));
    }

    [Test]
    public void IPI_virtualization_takes_a_fixed_edge_physical_IPI_without_shorthand_to_a_valid_entry_and_nothing_else()
    {
        PidPointerTable table = new(2);
        PostedInterruptDescriptor descriptor = new();
        table.Set(1, descriptor);
        IcrWrite good = new(0x41, 1);
        Assert.That(table.Target(good), Is.SameAs(descriptor));
        IcrWrite[] others =
        [
            good with { Destination = 0 }, good with { Destination = 2 }, good with { DeliveryMode = 4 }, good with { Logical = true }, good with { Level = true },
            good with { Shorthand = 2 }, good with { Vector = 15 },
        ];
        Assert.That(others.Select(icr => table.Target(icr)), Is.All.Null);
        Assert.That(table.Target(good with { Vector = 16 }), Is.SameAs(descriptor));
    }

    [Test]
    public void An_entry_of_AVICs_physical_table_has_valid_IsRunning_page_and_host_ID_where_the_APM_says()
    {
        AvicPhysicalEntry entry = AvicPhysicalEntry.For(0x12_3456_7000);
        Assert.That(entry.Value, Is.EqualTo(0x8000_0012_3456_7000));
        entry.IsRunning = true;
        entry.HostApicId = 0xABC;
        Assert.That((entry.Value, entry.BackingPage, entry.HostApicId), Is.EqualTo((0xC000_0012_3456_7ABC, 0x12_3456_7000UL, 0xABCU)));
        Assert.That(default(AvicPhysicalEntry).IsValid, Is.False);
    }

    [Test]
    public void AVICs_logical_table_resolves_flat_and_cluster_destinations()
    {
        AvicLogicalIdTable flat = new(flat: true);
        flat.Set(0x04, 7);
        flat.Set(0x80, 9);
        flat.Set(0x03, 5);
        Assert.That(flat.Targets(0x84), Is.EqualTo(new[] { 7, 9 }));
        Assert.That(flat.Targets(0x01), Is.EqualTo(new[] { -1 }), "an LDR with two bits names nobody");
        AvicLogicalIdTable cluster = new(flat: false);
        cluster.Set(0x21, 3);
        cluster.Set(0xE8, 4);
        Assert.That(cluster.Targets(0x23), Is.EqualTo(new[] { 3, -1 }));
        Assert.That(cluster.Targets(0xE8), Is.EqualTo(new[] { 4 }));
        Assert.That(cluster.Targets(0xF1), Is.EqualTo(new[] { -1 }), "there are 15 clusters");
    }

    [Test]
    public void An_ICR_write_that_AVIC_cannot_send_exits_with_the_id_of_the_first_rule_it_breaks()
    {
        AvicPhysicalIdTable table = new(3);
        table[1] = AvicPhysicalEntry.For(0x1000);
        table[2] = AvicPhysicalEntry.For(0);
        IcrWrite good = new(0x41, 1);
        Assert.That(AvicExits.Check(good, table, null), Is.Null);
        Assert.That(AvicExits.Check(good with { DeliveryMode = 1 }, table, null), Is.Null, "lowest priority is sent");
        Assert.That(AvicExits.Check(good with { DeliveryMode = 4 }, table, null), Is.EqualTo(IncompleteIpi.InvalidType));
        Assert.That(AvicExits.Check(good with { Level = true }, table, null), Is.EqualTo(IncompleteIpi.InvalidType));
        Assert.That(AvicExits.Check(good with { Vector = 15 }, table, null), Is.EqualTo(IncompleteIpi.InvalidVector));
        Assert.That(AvicExits.Check(good with { Destination = 0 }, table, null), Is.EqualTo(IncompleteIpi.InvalidTarget));
        Assert.That(AvicExits.Check(good with { Destination = 3 }, table, null), Is.EqualTo(IncompleteIpi.InvalidTarget));
        Assert.That(AvicExits.Check(good with { Destination = 2 }, table, null), Is.EqualTo(IncompleteIpi.InvalidBackingPage));
    }

    [Test]
    public void A_set_of_vectors_moves_finds_its_highest_and_counts_across_words()
    {
        VectorSet a = default;
        Assert.That((a.Highest, a.IsEmpty), Is.EqualTo((-1, true)));
        foreach (int vector in new[] { 0, 63, 64, 191, 255 })
        {
            Assert.That(a.TestAndSet(vector), Is.False);
            Assert.That(a.TestAndSet(vector), Is.True);
            Assert.That(a.Highest, Is.EqualTo(vector));
        }

        VectorSet b = default;
        b.TestAndSet(128);
        a.MoveTo(ref b);
        Assert.That((a.IsEmpty, Enumerable.Range(0, 256).Count(vector => b[vector]), b[63], b[62]), Is.EqualTo((true, 6, true, false)));
        Assert.That((b.TestAndClear(255), b.TestAndClear(255), b.Highest), Is.EqualTo((true, false, 191)));
    }
}
